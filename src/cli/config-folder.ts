import { isAbsolute, join } from "node:path";

type Environment = { readonly [name: string]: string | undefined };

/**
 * The folder for a user's own files: `$XDG_CONFIG_HOME/sealwright`, else `~/.config/sealwright`; on Windows
 * `%APPDATA%\sealwright`. Undefined where the system names no such place. Relative paths count as unset (XDG base
 * directory specification).
 */
export function configFolder(platform: string, environment: Environment, home: string): string | undefined {
  const { APPDATA, XDG_CONFIG_HOME } = environment;
  const named = platform === "win32" ? APPDATA : XDG_CONFIG_HOME;
  if (named !== undefined && isAbsolute(named)) return join(named, "sealwright");
  return platform !== "win32" && isAbsolute(home) ? join(home, ".config", "sealwright") : undefined;
}
