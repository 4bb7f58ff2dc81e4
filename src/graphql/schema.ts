import type { GraphQLSchema } from 'graphql';
import type { EngineDeps } from '../tasks/engine.ts';
import { createBuilder } from './builder.ts';
import { defineEnums } from './enums.ts';
import { defineFilter } from './filter.ts';
import { addFollowUps } from './follow-ups.ts';
import { createInputTypes } from './input-types.ts';
import { addMetadataSchemas } from './metadata-schemas.ts';
import { addMutations } from './mutations.ts';
import { definePageInfo } from './pages.ts';
import { defineProgress } from './progress.ts';
import { addQueries } from './queries.ts';
import { defineResults } from './results.ts';
import { addRetry } from './retry.ts';
import { addScalars } from './scalars.ts';
import { addSteering } from './steering.ts';
import { addSubscriptions } from './subscriptions.ts';
import { addHistory } from './task-history.ts';
import { defineCards, defineFailures, defineOutcomes } from './task-lists.ts';
import { defineTasks } from './tasks.ts';
import { defineUserError } from './user-errors.ts';
import { addWatchTokens } from './watch-tokens.ts';
import { addWebhookMutations } from './webhook-mutations.ts';

/** The schema for these operations, its types in alphabetical order. Throws when an operation's input cannot be said in it. */
export function buildSchema(operations: EngineDeps['operations']): GraphQLSchema {
  const builder = createBuilder();
  addScalars(builder);
  const pageInfo = definePageInfo(builder);
  const enums = defineEnums(builder, operations.values());
  const failures = defineFailures(builder, pageInfo);
  const outcomes = defineOutcomes(builder, pageInfo, enums);
  const progress = defineProgress(builder, enums, { failures, outcomes });
  addHistory(builder, progress, enums);
  const tasks = defineTasks(builder, {
    enums,
    progress,
    cards: defineCards(builder, pageInfo),
    result: defineResults(builder, failures),
  });
  const filter = defineFilter(builder, enums);
  addQueries(builder, { tasks, filter, pageInfo });
  const inputs = createInputTypes(builder);
  const userError = defineUserError(builder);
  addMutations(builder, operations.values(), { tasks, enums, inputs, userError });
  const taskPayload = addSteering(builder, { tasks, filter, userError });
  addRetry(builder, taskPayload);
  addFollowUps(builder, taskPayload);
  addMetadataSchemas(builder, inputs, userError);
  addWatchTokens(builder, inputs, userError);
  addWebhookMutations(builder, { inputs, userError, pageInfo });
  addSubscriptions(builder, { tasks, filter });
  return builder.toSchema();
}
