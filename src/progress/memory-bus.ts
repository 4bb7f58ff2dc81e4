import type { Snapshot } from '../tasks/snapshot.ts';
import type { Bus } from './bus.ts';

/** The bus of a process that plays all roles: it is never away and loses nothing. */
export function openMemoryBus(): Bus {
  const projects = new Map<string, Set<{ readonly receive: (snapshot: Snapshot) => void }>>();
  return {
    publish: (snapshot) => {
      for (const listener of projects.get(snapshot.projectId) ?? []) {
        // Not now: whoever publishes must not wait for its listeners, nor be hurt by one.
        queueMicrotask(() => {
          if (projects.get(snapshot.projectId)?.has(listener)) listener.receive(snapshot);
        });
      }
    },
    subscribe: async (projectId, receive) => {
      const listeners = projects.get(projectId) ?? new Set();
      const listener = { receive };
      projects.set(projectId, listeners.add(listener));
      return {
        unsubscribe: async () => {
          listeners.delete(listener);
          if (listeners.size === 0 && projects.get(projectId) === listeners) projects.delete(projectId);
        },
      };
    },
    onInterrupted: () => undefined,
    isUp: () => true,
    stop: async () => projects.clear(),
  };
}
