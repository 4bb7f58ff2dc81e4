import { ClientError } from '../errors.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Feeds, ProjectWatch } from './feeds.ts';
import { createRenderer, type Render, type Renderer } from './renderer.ts';
import type { Membership, Subscriber } from './subscriber.ts';

export interface ProjectStream<Message> {
  /** Equal for those who are sent equal messages: they share the first one's `matches` and `render`. */
  readonly key: string;
  readonly projectId: string;
  readonly matches: (snapshot: Snapshot) => boolean;
  readonly render: Render<Message>;
}

/** Streams of all tasks of a project that match. Subscribers of one key form a group, for which each change is rendered once. */
export interface ProjectStreams<Message> {
  /**
   * Sends every change from now on. A slow reader gets the newest message of each task, in the order in which the tasks
   * changed; one that lets 10,000 tasks wait is ended with UNAVAILABLE, for leaving one out would be a lie.
   */
  join(stream: ProjectStream<Message>, subscriber: Subscriber<Message>): Membership;
}

/** `count` is told how many subscribers more or fewer there are. */
export function openProjectStreams<Message>(feeds: Feeds, count: (change: 1 | -1) => void): ProjectStreams<Message> {
  const state: State<Message> = { feeds, count, groups: new Map() };
  return {
    join: (stream, subscriber) => {
      const group = state.groups.get(stream.key) ?? openGroup(state, stream);
      const member: Member<Message> = { group, subscriber, waiting: undefined, isOver: false };
      group.members.add(member);
      count(1);
      group.watch.ready.catch((error) => end(state, member, error));
      return createMembership(state, member);
    },
  };
}

const maxWaiting = 10_000;

interface State<Message> {
  readonly feeds: Feeds;
  readonly count: (change: 1 | -1) => void;
  readonly groups: Map<string, Group<Message>>;
}

interface Group<Message> {
  readonly key: string;
  readonly watch: ProjectWatch;
  readonly renderer: Renderer;
  readonly members: Set<Member<Message>>;
}

interface Member<Message> {
  readonly group: Group<Message>;
  readonly subscriber: Subscriber<Message>;
  /** The newest message of each task that could not be sent yet. A task that changes again keeps its place, so that a busy one
   *  cannot hold up the others. */
  waiting: Map<string, Message> | undefined;
  isOver: boolean;
}

/** All that stays with a member: not the stream that it asked for. */
function createMembership<Message>(state: State<Message>, member: Member<Message>): Membership {
  return { resume: () => resume(member), leave: () => remove(state, member) };
}

function openGroup<Message>(state: State<Message>, stream: ProjectStream<Message>): Group<Message> {
  const endAll = (error: unknown) => {
    for (const member of group.members) end(state, member, error);
  };
  const group: Group<Message> = {
    key: stream.key,
    watch: state.feeds.watchProject(stream.projectId, (snapshot) => receive(group, stream, snapshot, endAll)),
    renderer: createRenderer(stream.render, {
      done: ({ id }, message) => {
        for (const member of group.members) deliver(state, member, id, message);
      },
      failed: endAll,
    }),
    members: new Set(),
  };
  state.groups.set(stream.key, group);
  return group;
}

function receive<Message>(
  { renderer }: Group<Message>,
  stream: ProjectStream<Message>,
  snapshot: Snapshot,
  failed: (error: unknown) => void,
): void {
  try {
    if (stream.matches(snapshot)) renderer.offer(snapshot);
    if (renderer.waiting() > maxWaiting) failed(tooSlow());
  } catch (error) {
    failed(error);
  }
}

function deliver<Message>(state: State<Message>, member: Member<Message>, taskId: string, message: Message): void {
  if (member.waiting === undefined && member.subscriber.send(message)) return;
  member.waiting ??= new Map();
  member.waiting.set(taskId, message);
  if (member.waiting.size > maxWaiting) end(state, member, tooSlow());
}

function resume<Message>(member: Member<Message>): void {
  for (const [taskId, message] of member.waiting ?? []) {
    if (member.isOver || !member.subscriber.send(message)) return;
    member.waiting?.delete(taskId);
  }
  member.waiting = undefined;
}

function end<Message>(state: State<Message>, member: Member<Message>, error: unknown): void {
  if (member.isOver) return;
  remove(state, member);
  member.subscriber.end(error);
}

function remove<Message>(state: State<Message>, member: Member<Message>): void {
  if (member.isOver) return;
  const { group } = member;
  member.isOver = true;
  member.waiting = undefined;
  group.members.delete(member);
  state.count(-1);
  if (group.members.size > 0) return;
  group.watch.leave();
  if (state.groups.get(group.key) === group) state.groups.delete(group.key);
}

function tooSlow(): ClientError {
  const message = `${maxWaiting} changed tasks wait for this subscriber; subscribe again and read the list of tasks`;
  return new ClientError('UNAVAILABLE', message);
}
