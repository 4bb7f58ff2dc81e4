/** Where a value that was read from JSON holds a number that JSON cannot write, such as `1e400`; undefined when it holds none.
 *  It would be stored as null. */
export function findNotFinite(value: unknown): (string | number)[] | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : [];
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const path = findNotFinite(value[index]);
      if (path !== undefined) return [index, ...path];
    }
    return undefined;
  }
  for (const key of Object.keys(value)) {
    const path = findNotFinite(Reflect.get(value, key));
    if (path !== undefined) return [key, ...path];
  }
  return undefined;
}
