import {
  type DocumentNode,
  type ExecutionResult,
  executeSubscriptionEvent,
  type GraphQLError,
  locatedError,
  responsePathAsArray,
} from 'graphql';
import type { GatewayDeps } from '../deps.ts';
import { openProjectStreams } from '../progress/project-streams.ts';
import type { Membership, Subscriber } from '../progress/subscriber.ts';
import { openTaskStreams } from '../progress/task-streams.ts';
import type { Snapshot } from '../tasks/snapshot.ts';
import type { Context } from './context.ts';
import { createDelivery, type Delivery } from './delivery.ts';
import { planOf } from './plan.ts';
import type { OpenedSubscription, Place } from './source-streams.ts';

/** All that is pushed over GraphQL, whichever the transport. */
export interface LiveStreams {
  /** Joins those who are sent the same results: every event is executed and serialised once for all of them. */
  join(
    subscription: OpenedSubscription,
    subscriber: Subscriber<Delivery>,
    as: { readonly context: Context; readonly afterVersion?: number | undefined },
  ): Membership;
}

export function openLiveStreams({ feeds, metrics }: GatewayDeps): LiveStreams {
  const numberOf = numberDocuments();
  const tasks = openTaskStreams<Delivery>(feeds, (change) => metrics.subscribers.inc({ kind: 'task' }, change));
  const projects = openProjectStreams<Delivery>(feeds, (change) =>
    metrics.subscribers.inc({ kind: 'project' }, change),
  );
  return {
    join: (subscription, subscriber, { context, afterVersion }) => {
      const { source } = subscription;
      const key = keyOf(subscription, context, numberOf(subscription.execution.document));
      const render = renderOf(subscription, context);
      if (source.kind === 'project') return projects.join({ ...source, key, render }, subscriber);
      return tasks.join({ ...source, key, render }, Math.max(source.afterVersion, afterVersion ?? 0), subscriber);
    },
  };
}

/** An error of the stream as one of the field that was subscribed to. */
export function locate(error: unknown, place: Place): GraphQLError {
  return locatedError(error, place.fieldNodes, responsePathAsArray(place.path));
}

/** Equal for the same document, operation, variables and caller, but for where a caller goes on and when its token ends. */
function keyOf({ source, execution }: OpenedSubscription, context: Context, document: number): string {
  const { operation, rawVariableValues } = execution;
  const variables = { ...rawVariableValues };
  if (source.kind === 'task' && source.resumeVariable !== undefined) delete variables[source.resumeVariable];
  // The task that a caller is confined to is part of it: what an owner is shown is never shared with a watcher.
  const caller = { ...context.caller, expiresAt: null };
  return JSON.stringify([document, operation.name?.value, variables, caller]);
}

/** Documents of one text are parsed once, as long as they are in use. */
function numberDocuments(): (document: DocumentNode) => number {
  const numbers = new WeakMap<DocumentNode, number>();
  let last = 0;
  return (document) => {
    const number = numbers.get(document) ?? ++last;
    numbers.set(document, number);
    return number;
  };
}

function renderOf({ source, execution }: OpenedSubscription, context: Context) {
  const { deps, caller, requestId } = context;
  // Nothing of the first one's connection: others share this, and may outlive it.
  const shared: Context = { deps, caller, requestId, transport: 'websocket' };
  const deliver = (result: ExecutionResult, { version }: Snapshot) =>
    createDelivery(result, source.kind === 'task' ? version : null);
  let plan = planOf(execution);
  return (snapshot: Snapshot): Delivery | Promise<Delivery> => {
    try {
      if (plan !== undefined) return deliver({ data: plan(snapshot, shared) }, snapshot);
    } catch {
      plan = undefined;
    }
    const result = executeSubscriptionEvent({ ...execution, contextValue: shared, rootValue: snapshot });
    return result instanceof Promise ? result.then((settled) => deliver(settled, snapshot)) : deliver(result, snapshot);
  };
}
