import { sql } from 'kysely';
import type { Tx } from '../db/client.ts';
import { chunksInHand } from './chunks.ts';
import type { EngineDeps } from './engine.ts';
import { isFinal, type TaskKind, type TaskState } from './state.ts';

/**
 * Whose chunk is next. Only a second's work of a project is in the job queue at a time; the rest waits in `chunks`, so that a
 * choice between the tasks of a project is made late: by priority, then by turn, which lets small tasks overtake. Between projects the
 * order of the jobs decides: start-time fair queueing, one turn a chunk.
 */

type TurnDeps = Pick<EngineDeps, 'jobs' | 'operations'>;

/** Most chunks of a project in the job queue, in hand or not. */
const largestWindow = 64;
/** What waits in the queue, for how long it will keep the workers busy: as long waits a task that comes next. */
const aheadMs = 1_000;
const leastAhead = 4;
/** Handing out several at a time costs as much as one. */
const refillShare = 0.5;

interface TaskRef {
  readonly id: string;
  readonly projectId: string;
  readonly operation: string;
  readonly kind: TaskKind;
  readonly state: TaskState;
}

/** Ends the turn of a chunk, which took so many ms, and puts more of the project's chunks into the queue when it runs low. Takes the
 *  lock of the project's line: call it last. */
export async function passTurn(deps: TurnDeps, tx: Tx, task: TaskRef, chunk: number, chunkMs?: number): Promise<void> {
  const { rows } = await sql<{ queued: number; projects: number; inHand: number }>`
    with passed as (delete from turns where task_id = ${task.id} and chunk = ${chunk})
    select count(*) filter (where project_id = ${task.projectId} and not set_aside) as queued, count(distinct project_id) as projects,
      (${chunksInHand}) as "inHand"
    from turns`.execute(tx);
  const { queued = 0, projects = 1, inHand = 1 } = rows[0] ?? {};
  const perSecond = chunkMs === undefined ? 0 : (inHand / projects) * (aheadMs / chunkMs);
  const ahead = Math.min(Math.ceil(Math.max(perSecond, inHand, leastAhead)), largestWindow - inHand);
  const isInOrder = task.kind === 'DRY_RUN' || deps.operations.get(task.operation)?.oneByOne === true;
  const isUrgent = isFinal(task.state) || isInOrder;
  if (queued <= inHand + ahead * refillShare || isUrgent) await handOut(deps, tx, task.projectId, inHand + ahead);
}

/** Lets another chunk of the project go while this one waits to be tried again; up to as many as a window has. */
export async function setAside(deps: EngineDeps, task: TaskRef, chunk: number): Promise<void> {
  await deps.db.transaction().execute(async (tx) => {
    await sql`
      update turns set set_aside = true
      where task_id = ${task.id} and chunk = ${chunk} and not set_aside
        and (select count(*) from turns where project_id = ${task.projectId} and set_aside) < ${largestWindow}`.execute(
      tx,
    );
    await handOut(deps, tx, task.projectId);
  });
}

/** Takes tasks out of the line: jobs of theirs that have not begun find nothing to do. */
export async function leaveLine(tx: Tx, taskIds: readonly string[]): Promise<void> {
  await tx
    .deleteFrom('turns')
    .where('task_id', '=', sql<string>`any(${taskIds as string[]})`)
    .execute();
}

/** Puts chunks of the project's tasks into the queue until so many are in it; by default a few more than there are workers at it. */
export async function handOut(deps: TurnDeps, tx: Tx, projectId: string, window?: number): Promise<void> {
  const size = window ?? sql`least(${chunksInHand} + ${leastAhead}::integer, ${largestWindow})`;
  await sql`select from projects where id = ${projectId} for no key update`.execute(tx);
  const oneByOne = [...deps.operations.values()].filter((operation) => operation.oneByOne).map(({ name }) => name);
  const { rows } = await sql<{ taskId: string; chunk: number; turn: number }>`
    with mine as (
      select task_id, count(*)::integer as handed, (count(*) filter (where not set_aside))::integer as queued from turns where project_id = ${projectId} group by task_id
    ), room as (
      select greatest(${size} - coalesce(sum(queued), 0), 0)::integer as free from mine
    ), begin as (
      select coalesce(greatest(max(head), max(last) filter (where project_id = ${projectId}) + 1), 0) as turn
      from (
        -- A chunk that waits to be tried again keeps its old turn, which says nothing about where its project stands.
        select project_id, greatest(min(turn), max(turn) - ${largestWindow} + 1) as head, max(turn) as last
        from turns group by project_id
      ) as projects
    ), line as (${lineOf(projectId, oneByOne)}), picked as (
      select line.id, waiting.number, row_number() over (
        order by line.priority desc, line.handed + waiting.rank, line.created_at, line.id
      ) as position
      from room, line, lateral (
        select number, row_number() over (order by number) as rank
        from (
          select number from chunks
          where task_id = line.id and applied_at is null
            and not exists (select from turns where turns.task_id = chunks.task_id and turns.chunk = chunks.number)
          order by number limit least(line.most, room.free)
        ) as free_chunks
      ) as waiting
    )
    insert into turns (task_id, chunk, project_id, turn)
    select picked.id, picked.number, ${projectId}::uuid, begin.turn + picked.position - 1
    from picked, begin, room where picked.position <= room.free order by picked.position
    returning task_id as "taskId", chunk, turn`.execute(tx);
  if (rows.length > 0) await deps.jobs.enqueue(tx, rows);
}

/** Puts chunks of every project with unfinished tasks into the queue: a release that did not know turns may have left some. */
export async function handOutWaiting(deps: EngineDeps): Promise<void> {
  const projects = await deps.db
    .selectFrom('tasks')
    .select('project_id')
    .distinct()
    .where('completed_at', 'is', null)
    .execute();
  for (const { project_id } of projects) {
    await deps.db.transaction().execute((tx) => handOut(deps, tx, project_id));
  }
}

/** The project's tasks that may go on, in order, with the most chunks of each that may be handed out now. Of a kind that runs one by
 *  one: only the one that runs, else the first in line, and one chunk at a time; of a dry run one chunk at a time too. */
function lineOf(projectId: string, oneByOne: readonly string[]) {
  return sql`
    select task.id, task.priority, task.created_at, coalesce(mine.handed, 0) as handed,
      case when task.kind = 'DRY_RUN' or task.operation = any(${oneByOne}) then 1 else ${largestWindow}::integer end as most
    from tasks as task left join mine on mine.task_id = task.id
    where task.project_id = ${projectId} and task.completed_at is null and task.state in ('QUEUED', 'RUNNING')
      and (task.kind <> 'DRY_RUN' or mine.handed is null)
      and (task.operation <> all(${oneByOne}) or not exists (
        select from tasks as other left join mine as held on held.task_id = other.id
        where other.project_id = task.project_id and other.operation = task.operation and other.completed_at is null
          and (held.handed > 0
            or (other.state = 'QUEUED', other.created_at, other.id) < (task.state = 'QUEUED', task.created_at, task.id))
      ))
    order by task.priority desc, task.created_at, task.id limit ${2 * largestWindow}`;
}
