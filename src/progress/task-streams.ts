import { notFound } from '../errors.ts';
import { rateHoldsUntil, type Snapshot } from '../tasks/snapshot.ts';
import { isFinal } from '../tasks/state.ts';
import type { Feeds, TaskWatch } from './feeds.ts';
import { createRenderer, type Render, type Renderer } from './renderer.ts';
import type { Membership, Subscriber } from './subscriber.ts';

export interface TaskStream<Message> {
  /** Equal for those who are sent equal messages: they share the first one's `render`. */
  readonly key: string;
  readonly projectId: string;
  readonly id: string;
  readonly render: Render<Message>;
}

/** Streams of single tasks. Subscribers of one key form a group, for which each version is rendered once. */
export interface TaskStreams<Message> {
  /**
   * Sends the task's snapshot, then whatever is newer, the final one exactly once, and ends; with `afterVersion` only what
   * is newer than that. Versions only grow. Ends with NOT_FOUND when the project has no such task.
   */
  join(stream: TaskStream<Message>, afterVersion: number, subscriber: Subscriber<Message>): Membership;
}

/** `count` is told how many subscribers more or fewer there are. */
export function openTaskStreams<Message>(feeds: Feeds, count: (change: 1 | -1) => void): TaskStreams<Message> {
  const state: State<Message> = { feeds, count, groups: new Map(), due: new Set() };
  return {
    join: (stream, afterVersion, subscriber) => {
      const group = state.groups.get(stream.key) ?? openGroup(state, stream);
      const member: Member<Message> = {
        group,
        subscriber,
        sentVersion: afterVersion,
        isAdmitted: false,
        isOver: false,
      };
      group.members.add(member);
      count(1);
      void begin(state, member, stream.id);
      return createMembership(state, member);
    },
  };
}

interface State<Message> {
  readonly feeds: Feeds;
  readonly count: (change: 1 | -1) => void;
  readonly groups: Map<string, Group<Message>>;
  /** Those with something to send. */
  readonly due: Set<Group<Message>>;
}

interface Group<Message> {
  readonly key: string;
  readonly watch: TaskWatch;
  readonly renderer: Renderer;
  readonly members: Set<Member<Message>>;
  newest: Newest<Message> | undefined;
  /** Everybody is to have this version. A newer one may have been rendered for those who have just joined. */
  dueVersion: number;
  /** Those who have read a version that is being rendered. */
  joining: { readonly member: Member<Message>; readonly version: number }[];
}

interface Newest<Message> {
  readonly version: number;
  readonly isFinal: boolean;
  readonly message: Message;
  /** When it is too old for those who join, in epoch milliseconds. */
  readonly until: number;
}

interface Member<Message> {
  readonly group: Group<Message>;
  readonly subscriber: Subscriber<Message>;
  /** It is sent nothing that is not newer. */
  sentVersion: number;
  /** It has read the task. */
  isAdmitted: boolean;
  isOver: boolean;
}

/** All that stays with a member: not the stream that it asked for. */
function createMembership<Message>(state: State<Message>, member: Member<Message>): Membership {
  return { resume: () => deliver(state, member), leave: () => remove(state, member) };
}

async function begin<Message>(state: State<Message>, member: Member<Message>, id: string): Promise<void> {
  try {
    const task = await member.group.watch.read();
    if (task === undefined) throw notFound('bulk task', id);
    admit(state, member, task);
  } catch (error) {
    end(state, member, error);
  }
}

function openGroup<Message>(state: State<Message>, stream: TaskStream<Message>): Group<Message> {
  const group: Group<Message> = {
    key: stream.key,
    watch: state.feeds.watchTask(stream.projectId, stream.id, (snapshot) => receive(state, group, snapshot)),
    renderer: createRenderer(stream.render, {
      done: (snapshot, message) => publish(state, group, snapshot, message),
      failed: (error) => {
        for (const member of group.members) end(state, member, error);
      },
    }),
    members: new Set(),
    newest: undefined,
    dueVersion: 0,
    joining: [],
  };
  state.groups.set(stream.key, group);
  return group;
}

/** A change, for everybody. */
function receive<Message>(state: State<Message>, group: Group<Message>, snapshot: Snapshot): void {
  group.dueVersion = Math.max(group.dueVersion, snapshot.version);
  if (group.newest === undefined || group.newest.version < snapshot.version) group.renderer.offer(snapshot);
  else sendSoon(state, group);
}

/** The task as a new member found it, for that member alone: others get it when it is their turn. */
function admit<Message>(state: State<Message>, member: Member<Message>, task: Snapshot): void {
  const { group } = member;
  if (member.isOver) return;
  member.isAdmitted = true;
  if (task.version <= member.sentVersion) {
    if (isFinal(task.state)) end(state, member);
    else deliver(state, member);
    return;
  }
  member.sentVersion = task.version - 1;
  if (!hasNow(group, task)) {
    group.joining.push({ member, version: task.version });
    group.renderer.offer(task);
  } else {
    deliver(state, member);
  }
}

/** Whether this snapshot has been rendered, or a newer one, and can still be told. */
function hasNow<Message>({ newest }: Group<Message>, { version }: Snapshot): boolean {
  if (newest === undefined) return false;
  return newest.version > version || (newest.version === version && newest.until > Date.now());
}

function publish<Message>(state: State<Message>, group: Group<Message>, snapshot: Snapshot, message: Message): void {
  const { version } = snapshot;
  const { newest } = group;
  if (newest !== undefined && (newest.version > version || newest.isFinal)) return;
  group.newest = { version, isFinal: isFinal(snapshot.state), message, until: rateHoldsUntil(snapshot) };
  // Whoever joins from now on finds the end by reading the task.
  if (group.newest.isFinal) close(state, group);
  sendSoon(state, group);
}

/** What comes in together goes out together: writes in one go cost much less than those with work in between. */
function sendSoon<Message>(state: State<Message>, group: Group<Message>): void {
  if (state.due.size === 0) {
    queueMicrotask(() => {
      const due = [...state.due];
      state.due.clear();
      for (const each of due) sendNewest(state, each);
    });
  }
  state.due.add(group);
}

function sendNewest<Message>(state: State<Message>, group: Group<Message>): void {
  const { newest, joining } = group;
  if (newest === undefined) return;
  if (newest.isFinal || newest.version <= group.dueVersion) {
    for (const member of group.members) deliver(state, member);
  }
  if (joining.length === 0) return;
  group.joining = joining.filter(({ version }) => version > newest.version);
  for (const { member, version } of joining) {
    if (version <= newest.version) deliver(state, member);
  }
}

function deliver<Message>(state: State<Message>, member: Member<Message>): void {
  const { newest } = member.group;
  if (newest === undefined || !member.isAdmitted || member.isOver) return;
  if (newest.version > member.sentVersion) {
    if (!member.subscriber.send(newest.message)) return;
    member.sentVersion = newest.version;
  }
  if (newest.isFinal) end(state, member);
}

function end<Message>(state: State<Message>, member: Member<Message>, error?: unknown): void {
  if (member.isOver) return;
  remove(state, member);
  member.subscriber.end(error);
}

function remove<Message>(state: State<Message>, member: Member<Message>): void {
  if (member.isOver) return;
  member.isOver = true;
  member.group.members.delete(member);
  state.count(-1);
  if (member.group.members.size === 0) close(state, member.group);
}

function close<Message>(state: State<Message>, group: Group<Message>): void {
  group.watch.leave();
  if (state.groups.get(group.key) === group) state.groups.delete(group.key);
}
