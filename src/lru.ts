/** A map of at most `max` entries: beyond that, the one that was used the longest ago is forgotten. */
export interface Lru<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
}

export function createLru<Value extends object>(max: number): Lru<Value> {
  // A Map keeps the order in which its keys were set.
  const entries = new Map<string, Value>();
  // Need not be set again to be the newest: most questions are for the one that was asked for before.
  let newest: string | undefined;
  const set = (key: string, value: Value) => {
    entries.delete(key);
    entries.set(key, value);
    newest = key;
    if (entries.size <= max) return;
    for (const oldest of entries.keys()) {
      entries.delete(oldest);
      return;
    }
  };
  return {
    get(key) {
      const value = entries.get(key);
      if (value !== undefined && key !== newest) set(key, value);
      return value;
    },
    set,
    delete: (key) => {
      entries.delete(key);
    },
  };
}
