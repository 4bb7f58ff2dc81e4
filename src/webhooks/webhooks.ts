import { readNetworks } from '../address.ts';
import type { Database } from '../db/client.ts';
import type { DeliveryJobs } from '../tasks/delivery-jobs.ts';
import type { Networks } from './addresses.ts';
import { createSecretBox, type SecretBox } from './secrets.ts';

/** What managing endpoints and sending to them needs of the process. */
export interface Webhooks {
  readonly db: Database;
  readonly deliveries: Pick<DeliveryJobs, 'enqueue'>;
  readonly box: SecretBox;
  /** Internal networks that messages may go to. */
  readonly networks: Networks;
}

export function createWebhooks(
  { db, jobs }: { readonly db: Database; readonly jobs: { readonly deliveries: DeliveryJobs } },
  secret: string,
  networks: readonly string[] | undefined,
): Webhooks {
  return { db, deliveries: jobs.deliveries, box: createSecretBox(secret), networks: readNetworks(networks ?? []) };
}
