/** What a command may touch besides files: everything a test wants to replace. */
export interface Io {
  /** Relative paths start here. */
  readonly cwd: string;
  /** Folder of this user's own files for sealwright; it need not exist. Undefined where the system names none. */
  readonly configFolder: string | undefined;
  /** Writes product text to stdout. Commands call it once all that can fail is done. */
  out(text: string): void;
  /** Writes to stderr. */
  err(text: string): void;
  /** Milliseconds on a clock that never runs back. */
  now(): number;
  /** Says what long work is doing and how far it is, 0 .. 1 when known; undefined when it is over. Drawn only on a terminal. */
  progress(label: string | undefined, done?: number): void;
  /** Told before a partial file appears and when it is gone, so that an interrupted command leaves none behind. */
  partialFile(path: string, exists: boolean): void;
}
