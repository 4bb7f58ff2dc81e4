import { badInput } from '../errors.ts';
import { type Builder, costs, type FieldBuilder, type ObjectType } from './builder.ts';
import { maxPage } from './limits.ts';

export interface Edge<Node> {
  readonly cursor: string;
  readonly node: Node;
}

/** One page of a list, read forward by keyset. */
export interface Connection<Node> {
  readonly edges: readonly Edge<Node>[];
  readonly hasNextPage: boolean;
  readonly hasPreviousPage: boolean;
}

export interface PageArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
}

/** What `pageInfo` is made of. */
type PageInfo = Pick<Connection<unknown>, 'hasNextPage' | 'hasPreviousPage'> & {
  readonly startCursor: string | null;
  readonly endCursor: string | null;
};
export type PageInfoType = ObjectType<PageInfo>;

export function definePageInfo(builder: Builder): PageInfoType {
  return builder.objectRef<PageInfo>('PageInfo').implement({
    description: 'Where a page lies in its list (Relay cursor connections).',
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether more follows after `endCursor`.' }),
      hasPreviousPage: t.exposeBoolean('hasPreviousPage', { description: 'Whether something comes before this page.' }),
      startCursor: t.exposeString('startCursor', { nullable: true, description: 'The cursor of the first edge.' }),
      endCursor: t.exposeString('endCursor', {
        nullable: true,
        description: 'The cursor of the last edge: the next `after`.',
      }),
    }),
  });
}

/** Defines `<name>Connection` and `<name>Edge`; `node` defines the edge's field of that name, `nodes` the connection's. */
export function defineConnection<Node>(
  builder: Builder,
  options: {
    readonly name: string;
    readonly listOf: string;
    readonly pageInfo: PageInfoType;
    readonly node: (t: FieldBuilder<Edge<Node>>) => ReturnType<FieldBuilder<Edge<Node>>['field']>;
    readonly nodes: (t: FieldBuilder<Connection<Node>>) => ReturnType<FieldBuilder<Connection<Node>>['field']>;
  },
): ObjectType<Connection<Node>> {
  const edge = builder.objectRef<Edge<Node>>(`${options.name}Edge`).implement({
    description: 'One entry of a list: its node, and where that stands.',
    fields: (t) => ({
      cursor: t.exposeString('cursor', { description: 'Opaque; give it as `after` to read on from here.' }),
      node: options.node(t),
    }),
  });
  return builder.objectRef<Connection<Node>>(`${options.name}Connection`).implement({
    description: `A page of ${options.listOf}.`,
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        description: 'What this page holds, in order.',
        resolve: (parent) => parent.edges,
      }),
      nodes: options.nodes(t),
      pageInfo: t.field({
        type: options.pageInfo,
        description: 'Whether there is more, and from where to read on.',
        resolve: ({ edges, hasNextPage, hasPreviousPage }) => ({
          hasNextPage,
          hasPreviousPage,
          startCursor: edges[0]?.cursor ?? null,
          endCursor: edges.at(-1)?.cursor ?? null,
        }),
      }),
    }),
  });
}

/** What a connection holds, for clients that need no cursor of each. */
export function nodesOf<Node>({ edges }: Connection<Node>): Node[] {
  return edges.map((edge) => edge.node);
}

/** The arguments `first` and `after`, and what a page costs. */
export function pageOptions(builder: Builder, defaultPage: number) {
  const args = builder.args((t) => ({
    first: t.int({
      defaultValue: defaultPage,
      description: `How many at most, up to ${maxPage}; more is cut to that. The cost of a query counts the selection so often.`,
    }),
    after: t.string({ description: 'Only what comes after this cursor.' }),
  }));
  return { args, ...costs({ own: 20, defaultPage }) };
}

/**
 * Reads one page: `read` gets one more than the page holds and the position that `pattern` finds in the cursor. Throws
 * BAD_USER_INPUT for a negative `first` or a cursor of another list.
 */
export async function readPage<Node>(
  given: PageArguments,
  options: {
    readonly defaultPage: number;
    readonly pattern: RegExp;
    readonly cursorOf: (node: Node) => string;
    readonly read: (limit: number, after: readonly string[] | undefined) => Promise<readonly Node[]>;
  },
): Promise<Connection<Node>> {
  const first = given.first ?? options.defaultPage;
  if (first < 0) throw badInput(['first'], 'TOO_SMALL', 'first: expected 0 or more');
  const size = Math.min(first, maxPage);
  const after = given.after ?? undefined;
  const nodes = await options.read(size + 1, after === undefined ? undefined : readCursor(after, options.pattern));
  return {
    edges: nodes.slice(0, size).map((node) => ({ cursor: writeCursor(options.cursorOf(node)), node })),
    hasNextPage: nodes.length > size,
    hasPreviousPage: after !== undefined,
  };
}

function writeCursor(position: string): string {
  return Buffer.from(position).toString('base64url');
}

function readCursor(cursor: string, pattern: RegExp): readonly string[] {
  const match = pattern.exec(Buffer.from(cursor, 'base64url').toString());
  if (match === null) throw badInput(['after'], 'INVALID_CURSOR', 'after: expected a cursor of this list');
  return match.slice(1);
}
