import type { Snapshot } from '../tasks/snapshot.ts';
import type { Subscription } from './bus.ts';

/** The connection that channels live on. `open` and `close` reject, and never throw at once, when it breaks or the server
 *  refuses. */
export interface ChannelServer {
  isConnected(): boolean;
  open(projectId: string): Promise<unknown>;
  close(projectId: string): Promise<unknown>;
  /** Told once for a channel that cannot be opened or closed although the connection is there. */
  refused(projectId: string, error: unknown): void;
}

/** Reference-counted channels, one a project: open at the server as long as somebody listens. */
export interface Channels {
  /** Resolves when the channel is open, or cannot be opened now; `settle` opens it later. */
  join(projectId: string, listener: (snapshot: Snapshot) => void): Promise<Subscription>;
  deliver(projectId: string, snapshot: Snapshot): void;
  /** Opens and closes whatever differs from what is wanted: after a reconnect, and now and then. Never rejects. */
  settle(): Promise<void>;
  /** The server has forgotten every channel. */
  disconnected(): void;
}

export function createChannels(server: ChannelServer): Channels {
  const channels = new Map<string, Channel>();
  const state: State = { server, channels, connection: 0 };
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
    disconnected: () => {
      state.connection += 1;
      for (const channel of channels.values()) channel.isOpen = false;
    },
  };
}

interface State {
  readonly server: ChannelServer;
  readonly channels: Map<string, Channel>;
  /** One more with every disconnect: what an earlier connection answered no longer counts. */
  connection: number;
}

interface Channel {
  readonly projectId: string;
  readonly listeners: Set<{ readonly receive: (snapshot: Snapshot) => void }>;
  isOpen: boolean;
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
  return { projectId, listeners: new Set(), isOpen: false, wasRefused: false, settling: undefined };
}

async function settle(state: State, channel: Channel): Promise<void> {
  if (channel.settling === undefined && differs(state, channel)) channel.settling = openOrClose(state, channel);
  await channel.settling;
  forgetIfUnused(state, channel);
}

function differs({ server }: State, channel: Channel): boolean {
  return server.isConnected() && channel.isOpen !== channel.listeners.size > 0;
}

async function openOrClose(state: State, channel: Channel): Promise<void> {
  const { server } = state;
  try {
    while (differs(state, channel)) {
      const { connection } = state;
      const opens = !channel.isOpen;
      await (opens ? server.open(channel.projectId) : server.close(channel.projectId));
      if (connection === state.connection) channel.isOpen = opens;
    }
    channel.wasRefused = false;
  } catch (error) {
    if (server.isConnected() && !channel.wasRefused) {
      channel.wasRefused = true;
      server.refused(channel.projectId, error);
    }
  } finally {
    channel.settling = undefined;
  }
}

function forgetIfUnused({ channels }: State, channel: Channel): void {
  const isUnused = channel.listeners.size === 0 && !channel.isOpen && channel.settling === undefined;
  if (isUnused && channels.get(channel.projectId) === channel) channels.delete(channel.projectId);
}
