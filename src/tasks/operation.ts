import type { Readable } from 'node:stream';
import type { RawBuilder } from 'kysely';
import type { z } from 'zod';
import type { Tx } from '../db/client.ts';
import type { JsonObject } from '../db/tables.ts';
import type { TaskModel } from './state.ts';

/**
 * A kind of bulk work. One file of operations/ defines one; the mutation, the REST start, the worker's dispatch, the async
 * action type and the result shape follow from it.
 */
export interface Operation<Input = unknown, Item = unknown> {
  /** Stored in tasks and jobs: never changed once released, never derived from code. */
  readonly name: string;
  readonly model: TaskModel;
  /** The type of the async action, such as `VOUCHERS.IMPORT`; null for an issuance. */
  readonly actionType: string | null;
  /** How the task tells its outcome; null for an issuance. */
  readonly result: ResultShape | null;
  /** Items applied and committed at once. */
  readonly chunkSize: number;
  /** A project's tasks of this kind run one by one, in the order of their starts. */
  readonly oneByOne?: boolean;
  readonly mutation: { readonly name: string; readonly description: string };
  /** The one definition of the input, for both doors. Property names as on the REST wire; GraphQL has them in camel case. */
  readonly input: z.ZodType<Input>;
  /** Null where the wire contract has no start of its own, or where the start is special and lives in rest/. */
  readonly rest: RestStart | null;
  /**
   * Checks a valid input against the project's data and says what is to be done. Runs in the transaction that will hold the
   * task. Throws a ClientError when nothing can be started.
   */
  plan(input: Input, context: PlanContext): Promise<Plan<Item>>;
  /**
   * Applies one chunk: set-based SQL through `context.tx`, one statement a table. Returns why items were refused; every
   * other item has succeeded. Anything thrown rolls the chunk back, and it is tried again. Must not touch tasks or chunks.
   */
  apply(chunk: Chunk<Item>, context: ApplyContext): Promise<Outcome>;
  /** The records that an import makes or changes. An operation that tells them can be run dry, and what it made can be undone. */
  readonly records?: ImportedRecords<Item>;
  /** Takes back what a chunk did, in place of deleting the records that it made; returns which items were left as they are, and why.
   *  Runs as `apply` does. */
  undo?(chunk: Chunk<Item>, context: ApplyContext): Promise<Outcome>;
  /** Settles the parameters of a task that tries failed items again, from those of the first; without it they are the same. Runs as
   *  `plan` does. */
  replan?(parameters: JsonObject, context: PlanContext): Promise<JsonObject>;
  /** Runs once, in the transaction that brings the task to SUCCEEDED: for what is due when all is done. */
  finish?(context: ApplyContext): Promise<void>;
  /** Runs once, in the transaction that makes the task FAILED or CANCELED. */
  abandon?(context: ApplyContext): Promise<void>;
}

/** Which records an import makes or changes, and how an item names its own. */
export interface ImportedRecords<Item = unknown> {
  readonly kind: RecordKind;
  /** Reads the names of an item's record: its id, if items may tell that, before its key. None: it makes a record in any case. */
  names(parameters: JsonObject): NameReader<Item>;
  /** What becomes of an item can depend on any before it: a dry run applies all earlier chunks before each. For few items. */
  readonly meetAll?: boolean;
  /** Runs before an undo looks at the records: takes what whoever writes them takes first. */
  lock?(context: ApplyContext): Promise<unknown>;
}

export interface NameReader<Item> {
  of(item: Item): readonly (string | null | undefined)[];
}

/** A table of records, which have an `id`, a `project_id`, a `created_at` and a `created_by_task`. */
export interface RecordKind {
  readonly table: 'vouchers' | 'customers' | 'products' | 'skus' | 'orders';
  /** The column by which callers name them, unique in the project. */
  readonly key: 'code' | 'source_id';
  /** Items may name one by our id too. */
  readonly hasIds?: boolean;
  /** Selects the ids of those, among these, that other records refer to. */
  usedAmong?(projectId: string, ids: readonly string[]): RawBuilder<{ id: string }>;
}

/** What applying a chunk came to. */
export interface Outcome {
  readonly failures: readonly Failure[];
  /** Bulk updates (result family UPDATE): what was done to each item of the chunk, in row order. */
  readonly report?: readonly ReportRow[];
}

/** A row of a bulk update's report file: the item's key, whether it existed, whether it was written. */
export type ReportRow = readonly [key: string, found: boolean, updated: boolean];

/** Any operation, with its input and items unknown to the caller. */
// biome-ignore lint/suspicious/noExplicitAny: the only way to write a list of operations that differ in input and item
export type AnyOperation = Operation<any, any>;

/** A start that follows the async-action contract: the body goes into the input, the answer is `{async_action_id}`. */
export interface RestStart {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** As Fastify writes it: `/v1/campaigns/:campaignId/import`. */
  readonly path: string;
  readonly status: 200 | 202;
  readonly body: 'json' | 'csv' | 'none';
  /** Makes the input of what came: `body` is the parsed JSON, or the text fields of a multipart form and its `file`. */
  toInput(request: { readonly body: unknown; readonly params: unknown; readonly query: unknown }): unknown;
}

/** The families of the async-action contract, section 1.1. */
export type ResultShape =
  /** A, counters only: `<verb> <n> <noun>.`, such as `Updated 3 vouchers.` */
  | { readonly family: 'COUNT'; readonly verb: 'Updated' | 'Deleted' | 'Generated'; readonly noun: string }
  /** B, an import: `<n> <noun>(s) imported successfully, <m> failed.` and the failures. */
  | {
      readonly family: 'IMPORT';
      readonly noun: string;
      /** Under which name a failure's key is told, if at all; what stands for a missing one (`''` by default); whether
       *  the row number is told. */
      readonly failure: {
        readonly key: 'code' | 'source_id' | null;
        readonly missing?: null | 'LEFT_OUT';
        readonly row: boolean;
      };
    }
  /** C, a bulk update: counters, errors and report files. The key names the first column of the report. */
  | { readonly family: 'UPDATE'; readonly key: 'code' | 'source_id' };

export interface PlanContext {
  readonly tx: Tx;
  readonly projectId: string;
  readonly limits: OperationLimits;
  /** Nothing but the task may be written. */
  readonly isDryRun?: boolean;
}

/** Bounds that the configuration sets. */
export interface OperationLimits {
  /** Items of one task. */
  readonly maxItems: number;
  /** Bytes of one line of a CSV file. */
  readonly maxCsvLineBytes: number;
}

export interface Plan<Item = unknown> {
  readonly parameters: JsonObject;
  /** How many items there are, or the items themselves, to be staged as they come. */
  readonly items: { readonly count: number } | Iterable<Item> | AsyncIterable<Item>;
}

export interface Chunk<Item> {
  readonly number: number;
  /** Row number of the first item; rows count from 1. */
  readonly firstRow: number;
  readonly size: number;
  /** As planned, after a round trip through JSON; empty where the plan gave a count. */
  readonly items: readonly Item[];
}

export interface ApplyContext {
  readonly tx: Tx;
  readonly taskId: string;
  readonly projectId: string;
  readonly parameters: JsonObject;
  /** In a dry run: how many records earlier chunks would have made, which are not there. */
  readonly unseen?: number;
}

/** Why one item was refused: data, stored and listed, never thrown. */
export interface Failure {
  readonly row: number;
  /** The caller's own id of the item (a code, a source id), if it had one. */
  readonly key: string | null;
  readonly code: string;
  readonly message: string;
}

/** A file that is still arriving. Read once; an error of the transport is an error of the stream. */
export interface Upload {
  readonly filename: string | null;
  readonly stream: Readable;
}

/** Ties the types of one operation together; the value is returned as it is. */
export function defineOperation<Input, Item>(operation: Operation<Input, Item>): Operation<Input, Item> {
  return operation;
}
