import type { Generated, Selectable } from 'kysely';

/** Where a project is told of its tasks. */
export interface WebhookEndpointsTable {
  id: string;
  project_id: string;
  url: string;
  events: string[];
  description: string | null;
  /** Sealed, as `previous_secret` is. */
  secret: Buffer;
  previous_secret: Buffer | null;
  previous_secret_until: Date | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  failures: Generated<number>;
  failing_since: Date | null;
  paused_until: Date | null;
  disabled_at: Date | null;
  disabled_reason: 'REQUESTED' | 'GONE' | 'FAILING' | null;
  /** Set: there is no such endpoint for anybody, only rows that are yet to be deleted. */
  deleted_at: Date | null;
}

/** A message to one endpoint; its id is the `webhook-id`. */
export interface WebhookDeliveriesTable {
  id: Generated<string>;
  endpoint_id: string;
  task_id: string | null;
  version: number | null;
  type: string;
  body: string;
  state: Generated<'PENDING' | 'SUCCEEDED' | 'FAILED'>;
  attempts: Generated<number>;
  created_at: Generated<Date>;
  expires_at: Generated<Date>;
  next_attempt_at: Generated<Date | null>;
  completed_at: Date | null;
}

export interface WebhookAttemptsTable {
  delivery_id: string;
  number: number;
  at: Generated<Date>;
  status: number | null;
  duration_ms: number;
  answer: string | null;
  error: string | null;
}

export type WebhookEndpointRow = Selectable<WebhookEndpointsTable>;
export type WebhookDeliveryRow = Selectable<WebhookDeliveriesTable>;
