import type { Snapshot } from '../tasks/snapshot.ts';

/** Makes the message of a snapshot, once for all who are sent it. */
export type Render<Message> = (snapshot: Snapshot) => Message | Promise<Message>;

export interface Renderer {
  /** At once when nothing is being rendered, else later: then only the newest snapshot of each task waits, in turn. */
  offer(snapshot: Snapshot): void;
  /** How many tasks wait. */
  waiting(): number;
}

interface Output<Message> {
  readonly done: (snapshot: Snapshot, message: Message) => void;
  readonly failed: (error: unknown) => void;
}

/** Renders one snapshot after another, so that a task's versions come out in the order in which they went in. */
export function createRenderer<Message>(render: Render<Message>, out: Output<Message>): Renderer {
  let waiting: Map<string, Snapshot> | undefined;
  let isRendering = false;
  const renderAll = async (first: Promise<Message>, snapshot: Snapshot): Promise<void> => {
    isRendering = true;
    await settle(first, snapshot, out);
    for (const [id, next] of waiting ?? []) {
      waiting?.delete(id);
      const message = attempt(render, next, out);
      if (message !== undefined) await settle(message, next, out);
    }
    waiting = undefined;
    isRendering = false;
  };
  return {
    offer: (snapshot) => {
      if (!isRendering) {
        const message = attempt(render, snapshot, out);
        if (message !== undefined) void renderAll(message, snapshot);
        return;
      }
      waiting ??= new Map();
      const known = waiting.get(snapshot.id);
      if (known === undefined || known.version < snapshot.version) waiting.set(snapshot.id, snapshot);
    },
    waiting: () => waiting?.size ?? 0,
  };
}

/** Undefined when it is done already. */
function attempt<Message>(
  render: Render<Message>,
  snapshot: Snapshot,
  out: Output<Message>,
): Promise<Message> | undefined {
  let message: Message | Promise<Message>;
  try {
    message = render(snapshot);
  } catch (error) {
    out.failed(error);
    return undefined;
  }
  if (message instanceof Promise) return message;
  out.done(snapshot, message);
  return undefined;
}

async function settle<Message>(message: Promise<Message>, snapshot: Snapshot, out: Output<Message>): Promise<void> {
  try {
    out.done(snapshot, await message);
  } catch (error) {
    out.failed(error);
  }
}
