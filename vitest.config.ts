import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Contexts and keys of SEAL are large; more workers than cores only thrash.
    maxWorkers: 2,
    // A cost table in the home of whoever runs the tests must not change what they see.
    env: { XDG_CONFIG_HOME: join(import.meta.dirname, "test", "no-settings") },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
