import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLResolveInfo,
  Kind,
  type OperationDefinitionNode,
  validateSubscriptionArgs,
  visit,
} from 'graphql';
import type { Snapshot } from '../tasks/snapshot.ts';

/** What the resolver of a subscription gives: what is to be watched. It is joined with those who watch the same, not iterated. */
export type SourceStream = TaskSource | ProjectSource;

/** The field that was asked for, which errors name. */
export type Place = Pick<GraphQLResolveInfo, 'fieldNodes' | 'path'>;

interface Source extends AsyncIterable<Snapshot> {
  readonly place: Place;
  readonly projectId: string;
}

export interface TaskSource extends Source {
  readonly kind: 'task';
  readonly id: string;
  readonly afterVersion: number;
  /** The variable that gives `afterVersion` and nothing else: subscribers whose documents differ in no other are sent the same. */
  readonly resumeVariable: string | undefined;
}

export interface ProjectSource extends Source {
  readonly kind: 'project';
  readonly matches: (task: Snapshot) => boolean;
}

/** A subscription that is ready to be joined: its source, and what executes each of its events. */
export interface OpenedSubscription {
  readonly source: SourceStream;
  readonly execution: Exclude<ReturnType<typeof validateSubscriptionArgs>, readonly unknown[]>;
}

export function taskSource(
  info: GraphQLResolveInfo,
  watched: Pick<TaskSource, 'projectId' | 'id' | 'afterVersion'>,
): TaskSource {
  return { kind: 'task', ...watched, ...sourceOf(info), resumeVariable: resumeVariableOf(info) };
}

export function projectSource(
  info: GraphQLResolveInfo,
  watched: Pick<ProjectSource, 'projectId' | 'matches'>,
): ProjectSource {
  return { kind: 'project', ...watched, ...sourceOf(info) };
}

/** Runs the subscription's resolver. Its errors are not presented yet. */
export async function openSubscription(args: ExecutionArgs): Promise<OpenedSubscription | ExecutionResult> {
  const execution = validateSubscriptionArgs(args);
  if (!('schema' in execution)) return { errors: execution };
  const source = await createSourceEventStream(execution);
  if (!(Symbol.asyncIterator in source)) return source;
  if (!isSource(source)) throw new Error('a subscription field gives no source');
  return { source, execution };
}

function sourceOf(info: GraphQLResolveInfo): Pick<Source, 'place' | typeof Symbol.asyncIterator> {
  return { place: placeOf(info), [Symbol.asyncIterator]: refuseToIterate };
}

function refuseToIterate(): never {
  throw new Error('a source is joined, not iterated');
}

/** There is one root field in a subscription; what says where it is stays with every subscriber. */
const places = new WeakMap<OperationDefinitionNode, Place>();

function placeOf({ operation, fieldNodes, path }: GraphQLResolveInfo): Place {
  const place = places.get(operation) ?? { fieldNodes, path };
  places.set(operation, place);
  return place;
}

function isSource(stream: object): stream is SourceStream {
  return 'kind' in stream;
}

const resumeVariables = new WeakMap<OperationDefinitionNode, string | null>();

function resumeVariableOf(info: GraphQLResolveInfo): string | undefined {
  const known = resumeVariables.get(info.operation);
  if (known !== undefined) return known ?? undefined;
  const found = findResumeVariable(info);
  resumeVariables.set(info.operation, found ?? null);
  return found;
}

function findResumeVariable({ fieldNodes, operation, fragments }: GraphQLResolveInfo): string | undefined {
  const value = fieldNodes[0]?.arguments?.find(({ name }) => name.value === 'afterVersion')?.value;
  if (value?.kind !== Kind.VARIABLE) return undefined;
  const name = value.name.value;
  let times = 0;
  for (const node of [operation, ...Object.values(fragments)]) {
    visit(node, {
      Variable: (variable) => {
        if (variable.name.value === name) times += 1;
      },
    });
  }
  // Where it is declared, and here.
  return times === 2 ? name : undefined;
}
