import type { Snapshot } from '../tasks/snapshot.ts';
import type { Subscription } from './bus.ts';

/** One life of a connection that channels live on: when it is lost, the server forgets them all. */
export interface Place {
  isAlive: boolean;
  /** One more whenever the server may have closed channels by itself. */
  generation: number;
  /** False when the channel belongs elsewhere. Rejects, and never throws at once, when the connection breaks or the server
   *  refuses; so does `close`. */
  open(projectId: string): Promise<boolean>;
  close(projectId: string): Promise<unknown>;
}

export interface ChannelServer {
  /** Where the channel of a project belongs now; undefined while nothing can be opened there. */
  placeOf(projectId: string): Place | undefined;
  /** Told once for a channel that cannot be opened or closed although its place is there. */
  refused(projectId: string, error: unknown): void;
}

/** Reference-counted channels, one a project: open at its place as long as somebody listens. */
export interface Channels {
  /** Resolves when the channel is open, or cannot be opened now; `settle` opens it later. */
  join(projectId: string, listener: (snapshot: Snapshot) => void): Promise<Subscription>;
  deliver(projectId: string, snapshot: Snapshot): void;
  /** Opens, moves and closes whatever differs from what is wanted: after a reconnect, and now and then. Never rejects. */
  settle(): Promise<void>;
}

export function createChannels(server: ChannelServer): Channels {
  const channels = new Map<string, Channel>();
  const state: State = { server, channels };
  return {
    join: (projectId, receive) => join(state, projectId, receive),
    deliver: (projectId, snapshot) => {
      for (const listener of channels.get(projectId)?.listeners ?? []) listener.receive(snapshot);
    },
    settle: async () => {
      for (const channel of channels.values()) forgetIfUnused(state, channel);
      const unsettled = [...channels.values()].filter((channel) => differs(state, channel));
      await Promise.all(unsettled.map((channel) => settle(state, channel)));
    },
  };
}

interface State {
  readonly server: ChannelServer;
  readonly channels: Map<string, Channel>;
}

interface Channel {
  readonly projectId: string;
  readonly listeners: Set<{ readonly receive: (snapshot: Snapshot) => void }>;
  /** Where it was opened last, and the generation that the place had then. */
  opened: { readonly place: Place; readonly generation: number } | undefined;
  wasRefused: boolean;
  /** The one that is opening and closing it now. Joining and leaving only change what is wanted, so they cannot overtake. */
  settling: Promise<void> | undefined;
}

async function join(state: State, projectId: string, receive: (snapshot: Snapshot) => void): Promise<Subscription> {
  const channel = state.channels.get(projectId) ?? createChannel(projectId);
  state.channels.set(projectId, channel);
  const listener = { receive };
  channel.listeners.add(listener);
  await settle(state, channel);
  return {
    unsubscribe: () => {
      channel.listeners.delete(listener);
      return settle(state, channel);
    },
  };
}

function createChannel(projectId: string): Channel {
  return { projectId, listeners: new Set(), opened: undefined, wasRefused: false, settling: undefined };
}

async function settle(state: State, channel: Channel): Promise<void> {
  if (channel.settling === undefined && differs(state, channel)) channel.settling = openAndClose(state, channel);
  await channel.settling;
  forgetIfUnused(state, channel);
}

function differs({ server }: State, channel: Channel): boolean {
  if (channel.listeners.size === 0) return placeOf(channel) !== undefined;
  const place = server.placeOf(channel.projectId);
  if (place === undefined) return false;
  return place !== placeOf(channel) || place.generation !== channel.opened?.generation;
}

/** Where the channel is open. */
function placeOf({ opened }: Channel): Place | undefined {
  return opened?.place.isAlive ? opened.place : undefined;
}

async function openAndClose(state: State, channel: Channel): Promise<void> {
  const { server } = state;
  for (let moves = 0; differs(state, channel) && moves < maxMoves; ) {
    const wanted = channel.listeners.size > 0 ? server.placeOf(channel.projectId) : undefined;
    const left = placeOf(channel);
    try {
      if (wanted !== undefined && !(await open(channel, wanted))) {
        moves += 1;
        continue;
      }
      // Opened at its new place before it is closed at the old one, it misses nothing.
      if (left !== undefined && left !== wanted) await close(channel, left);
      channel.wasRefused = false;
    } catch (error) {
      const isLost = (wanted ?? left)?.isAlive === false;
      if (!isLost && !channel.wasRefused) server.refused(channel.projectId, error);
      if (!isLost) channel.wasRefused = true;
      break;
    }
  }
  channel.settling = undefined;
}

/** After so many places that did not take it, a channel waits for the next `settle`. */
const maxMoves = 5;

async function open(channel: Channel, place: Place): Promise<boolean> {
  // Taken before the answer: what the server closes meanwhile has to be opened once more.
  const { generation } = place;
  const isOpen = await place.open(channel.projectId);
  if (isOpen && place.isAlive) channel.opened = { place, generation };
  return isOpen;
}

async function close(channel: Channel, place: Place): Promise<void> {
  await place.close(channel.projectId);
  if (channel.opened?.place === place) channel.opened = undefined;
}

function forgetIfUnused({ channels }: State, channel: Channel): void {
  const isUnused = channel.listeners.size === 0 && placeOf(channel) === undefined && channel.settling === undefined;
  if (isUnused && channels.get(channel.projectId) === channel) channels.delete(channel.projectId);
}
