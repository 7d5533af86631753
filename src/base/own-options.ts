/** The options a caller gave, and none that a polluted `Object.prototype` adds: an inherited `insecure` must not count. */
export function ownOptions<T extends object>(options: T): T {
  return Object.assign(Object.create(null), options) as T;
}
