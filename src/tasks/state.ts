export const taskStates = ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'] as const;
export type TaskState = (typeof taskStates)[number];

export const taskModels = ['BULK_ISSUANCE', 'ASYNC_ACTION'] as const;
export type TaskModel = (typeof taskModels)[number];

/** Among the tasks of one project; stored as the number. */
export const taskPriorities = { LOW: -1, NORMAL: 0, HIGH: 1 } as const;
export type TaskPriority = keyof typeof taskPriorities;

export function isPriority(name: unknown): name is TaskPriority {
  return typeof name === 'string' && Object.hasOwn(taskPriorities, name);
}

/** The name of a stored priority. */
export function priorityOf(stored: number): TaskPriority {
  return stored < 0 ? 'LOW' : stored > 0 ? 'HIGH' : 'NORMAL';
}

/** What a task does with its items: apply them, only tell what that would come to, or take back what another task did. */
export const taskKinds = ['RUN', 'DRY_RUN', 'UNDO'] as const;
export type TaskKind = (typeof taskKinds)[number];

/** A final state never changes; the database refuses it too. */
export function isFinal(state: TaskState): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED';
}
