import { addKey, makeUpKeyPair, revokeKey } from './auth/keys.ts';
import { addMerchant, disableMerchant, makeUpLogin } from './auth/merchants.ts';
import { createProject, listProjects, makeUpCredentials, type ProjectCredentials } from './auth/projects.ts';
import type { OperatorConfig } from './config.ts';
import { type Database, openDatabase } from './db/client.ts';
import { findRunningPostgres } from './db/embedded-running.ts';
import { checkInstalled } from './install.ts';
import { createLog } from './log.ts';

/** A command of those who run the service: on projects, keys and merchants. */
export interface OperatorCommand {
  /** The name of its one argument, if it has one. */
  readonly argument: string | null;
  readonly meaning: string;
  /** Returns the lines to print; throws in words what cannot be done. */
  run(db: Database, argument: string): Promise<readonly string[]>;
}

/** By their two words. Secrets are printed once and stored as hashes. */
export const operatorCommands: Readonly<Record<string, OperatorCommand>> = {
  'project list': { argument: null, meaning: 'projects, with their keys and merchants', run: showProjects },
  'project create': { argument: 'NAME', meaning: 'a project with a key, a merchant and a program', run: addProject },
  'key create': { argument: 'PROJECT', meaning: 'one more key for a project, by its id', run: addKeyTo },
  'key revoke': { argument: 'APP_ID', meaning: 'end a key, and the tokens that stand for it', run: endKey },
  'merchant create': { argument: 'PROJECT', meaning: 'one more merchant for a project, by its id', run: addMerchantTo },
  'merchant disable': { argument: 'USERNAME', meaning: 'end a merchant and their tokens', run: endMerchant },
};

/** Runs one of the commands on DATABASE_URL, or on the embedded Postgres of a bulkcast that runs on the data directory. */
export async function runOperatorCommand(
  command: OperatorCommand,
  argument: string,
  config: OperatorConfig,
): Promise<readonly string[]> {
  const url = config.DATABASE_URL ?? (await findRunningPostgres(config.BULKCAST_DATA_DIR));
  if (url === undefined) {
    throw new Error(
      `no bulkcast runs on the data directory ${config.BULKCAST_DATA_DIR}: start it with \`npm start\`, or set DATABASE_URL`,
    );
  }
  await checkInstalled(url);
  const client = openDatabase({ url, maxConnections: 1, applicationName: 'bulkcast', log: createLog('silent') });
  try {
    return await command.run(client.db, argument);
  } finally {
    await client.stop();
  }
}

const labels = [
  ['appId', 'X-App-Id'],
  ['appToken', 'X-App-Token'],
  ['username', 'username'],
  ['password', 'password'],
  ['programId', 'programId'],
] as const;

/** Credentials as they are shown, one line each. */
export function describeSecrets(secrets: Partial<ProjectCredentials>): string[] {
  return labels.flatMap(([key, label]) => (secrets[key] === undefined ? [] : [`  ${label}: ${secrets[key]}`]));
}

async function showProjects(db: Database): Promise<string[]> {
  const ended = (word: string, since: Date | null) => (since === null ? '' : `, ${word} ${since.toISOString()}`);
  return (await listProjects(db)).flatMap(({ id, name, keys, merchants }) => [
    `${id} ${name}`,
    ...keys.map(({ appId, revokedAt }) => `  key ${appId}${ended('revoked', revokedAt)}`),
    ...merchants.map(({ username, disabledAt }) => `  merchant ${username}${ended('disabled', disabledAt)}`),
  ]);
}

async function addProject(db: Database, given: string): Promise<string[]> {
  const name = given.trim();
  if (name.length === 0 || name.length > 200) throw new Error('NAME: expected 1 to 200 characters');
  const credentials = makeUpCredentials();
  const id = await db.transaction().execute((tx) => createProject(tx, name, credentials));
  return [`Project ${id}, its secrets shown this once:`, ...describeSecrets(credentials)];
}

async function addKeyTo(db: Database, projectId: string): Promise<string[]> {
  await requireProject(db, projectId);
  const key = makeUpKeyPair();
  await addKey(db, projectId, key);
  return [`A key of project ${projectId}, its token shown this once:`, ...describeSecrets(key)];
}

async function addMerchantTo(db: Database, projectId: string): Promise<string[]> {
  await requireProject(db, projectId);
  const login = makeUpLogin();
  await addMerchant(db, projectId, login);
  return [`A merchant of project ${projectId}, the password shown this once:`, ...describeSecrets(login)];
}

async function endKey(db: Database, appId: string): Promise<string[]> {
  const since = await revokeKey(db, appId);
  if (since === undefined)
    throw new Error(`there is no key ${appId}; \`bulkcast project list\` shows those that there are`);
  return [`Key ${appId} is revoked since ${since.toISOString()}; ${soon}`];
}

async function endMerchant(db: Database, username: string): Promise<string[]> {
  const since = await disableMerchant(db, username);
  if (since === undefined) {
    throw new Error(`there is no merchant ${username}; \`bulkcast project list\` shows those that there are`);
  }
  return [`Merchant ${username} is disabled since ${since.toISOString()}; ${soon}`];
}

const soon = 'every gateway refuses it within its BULKCAST_CREDENTIALS_MAX_AGE_MS';

async function requireProject(db: Database, id: string): Promise<void> {
  const projects = await listProjects(db);
  if (projects.some((project) => project.id === id)) return;
  throw new Error(`there is no project ${id}; \`bulkcast project list\` shows those that there are`);
}
