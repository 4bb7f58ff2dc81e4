export const taskStates = ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'] as const;
export type TaskState = (typeof taskStates)[number];

export const taskModels = ['BULK_ISSUANCE', 'ASYNC_ACTION'] as const;
export type TaskModel = (typeof taskModels)[number];

/** Among the tasks of one project; stored as the number. */
export const taskPriorities = { LOW: -1, NORMAL: 0, HIGH: 1 } as const;
export type TaskPriority = keyof typeof taskPriorities;

/** A final state never changes; the database refuses it too. */
export function isFinal(state: TaskState): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELED';
}
