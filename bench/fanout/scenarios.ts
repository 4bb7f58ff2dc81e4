export interface Scenario {
  readonly name: string;
  readonly subscribers: number;
  readonly tasks: number;
  /** Different documents among the subscribers. */
  readonly documents: number;
  readonly rounds: number;
  /** Changes of every task in one round, and in the one before the first, which does not count. */
  readonly changes: number;
  readonly warmUpChanges: number;
  /** Rounds at half load, and how long each takes. */
  readonly halfLoadRounds: number;
  readonly halfLoadMs: number;
}

const oneTask: Scenario = {
  name: 'oneTask',
  subscribers: 1_000,
  tasks: 1,
  documents: 1,
  rounds: 5,
  changes: 12,
  warmUpChanges: 18,
  halfLoadRounds: 3,
  halfLoadMs: 1_500,
};

const all: readonly Scenario[] = [
  oneTask,
  {
    ...oneTask,
    name: 'oneTaskManySubscribers',
    subscribers: 10_000,
    rounds: 3,
    changes: 4,
    warmUpChanges: 4,
    halfLoadRounds: 2,
  },
  { ...oneTask, name: 'manyTasks', tasks: 1_000, changes: 20, warmUpChanges: 30 },
  { ...oneTask, name: 'manyDocuments', documents: 20, changes: 20, warmUpChanges: 30 },
];

/** The four scenarios; `--quick` leaves out the last and makes the others small, short and rough. */
export function chooseScenarios(isQuick: boolean): readonly Scenario[] {
  return isQuick ? all.slice(0, 3).map(makeQuick) : all;
}

function makeQuick(scenario: Scenario): Scenario {
  const subscribers = Math.min(scenario.subscribers / 2, 1_500);
  const tasks = Math.min(scenario.tasks, subscribers);
  return {
    ...scenario,
    subscribers,
    tasks,
    rounds: 1,
    changes: 6,
    warmUpChanges: 6,
    halfLoadRounds: 1,
    halfLoadMs: 700,
  };
}
