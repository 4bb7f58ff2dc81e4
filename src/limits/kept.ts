/** Values by name, each made when it is first asked for and forgotten some time after it is unused. */
export interface Kept<Value> {
  get(key: string): Value;
}

const leastSweep = 1_000;

export function keepUsed<Value>(create: (key: string) => Value, isUnused: (value: Value) => boolean): Kept<Value> {
  const kept = new Map<string, Value>();
  let sweepAt = leastSweep;
  const sweep = () => {
    for (const [key, value] of kept) if (isUnused(value)) kept.delete(key);
    sweepAt = Math.max(leastSweep, 2 * kept.size);
  };
  return {
    get: (key) => {
      const known = kept.get(key);
      if (known !== undefined) return known;
      if (kept.size >= sweepAt) sweep();
      const created = create(key);
      kept.set(key, created);
      return created;
    },
  };
}
