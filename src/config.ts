import { z } from 'zod';
import { logLevels } from './log.ts';
import { networks, origins, redisUrl } from './setting-types.ts';

/** Every setting, parsed. Only this file reads the environment. */
export type Config = Readonly<z.infer<typeof settings>>;

const maxCardsOfOneTask = 16 ** 6 - 1;

const integer = (fallback: number, min: number, max: number) =>
  z.coerce
    .number({ error: `expected a whole number from ${min} to ${max}` })
    .int()
    .min(min)
    .max(max)
    .default(fallback);

const settings = z.object({
  PORT: integer(4000, 0, 65_535).describe('Port of the gateway; 0 takes a free one'),
  HOST: z.string().min(1).default('127.0.0.1').describe('Address that the gateway listens on'),
  BULKCAST_METRICS_PORT: z.coerce
    .number({ error: 'expected a whole number from 0 to 65535' })
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Port of /metrics; without it a gateway tells them at PORT, but to its own machine only'),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: 'expected a URL postgres://user:password@host:port/database' })
    .optional()
    .describe('Postgres; without it an embedded Postgres 18 runs in the data directory'),
  REDIS_URL: redisUrl
    .optional()
    .describe(
      'Redis, or Redis Cluster, that carries progress between processes; without it one process must play all roles',
    ),
  BULKCAST_ROLE: z.enum(['all', 'gateway', 'worker']).default('all').describe('What this process does'),
  BULKCAST_DATA_DIR: z.string().min(1).default('.bulkcast').describe('Where the embedded default keeps its data'),
  BULKCAST_PUBLIC_URL: z
    .url({ protocol: /^https?$/, error: 'expected a URL https://host' })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe('How clients reach the gateways, for the links in answers; default: the address listened on'),
  BULKCAST_SECRET: z
    .string()
    .min(32)
    .optional()
    .describe(
      'Signs tokens and links and seals the secrets of webhooks, at least 32 characters, the same for all processes; required with DATABASE_URL',
    ),
  BULKCAST_LOG: z.enum(logLevels).default('info').describe('Least level that is logged'),
  BULKCAST_WORKER_SLOTS: integer(2, 1, 64).describe('Chunks that a worker applies at a time'),
  BULKCAST_DATABASE_CONNECTIONS: integer(10, 2, 500).describe(
    'Connections of one process to Postgres; two for short reads and those of the job queue come besides',
  ),
  BULKCAST_PROJECT_CONNECTIONS: integer(5, 1, 500).describe(
    'How many of them the GraphQL reads of one project take at a time; others wait, up to a thousand for ten seconds',
  ),
  BULKCAST_MAX_ITEMS: integer(10_000_000, 1, maxCardsOfOneTask).describe('Items of one task'),
  BULKCAST_KEEP_ITEMS_DAYS: integer(7, 1, 3650).describe(
    'How long after its end the failures of a task can be tried again; then its staged items are deleted',
  ),
  BULKCAST_KEEP_TASKS_DAYS: integer(90, 30, 3650).describe(
    'How long after its end a task is kept, with its failures, report and history; what it did stays',
  ),
  BULKCAST_KEEP_KEYS_DAYS: integer(7, 1, 30).describe('How long after its first use an idempotency key is known'),
  BULKCAST_SYNC_CARDS: integer(50, 0, 1000).describe('Up to how many cards a REST issuance answers 201 with the cards'),
  BULKCAST_POLL_CARDS: integer(10_000, 0, 100_000).describe(
    'Up to how many cards a poll lists; above, the CSV has them',
  ),
  BULKCAST_POLL_FAILURES: integer(10_000, 0, 100_000).describe(
    'Up to how many failures a REST result lists; GraphQL pages through all',
  ),
  BULKCAST_POLL_WAIT_MS: integer(500, 0, 10_000).describe(
    'How long a poll of a QUEUED async action waits for it to start',
  ),
  BULKCAST_MAX_BODY_BYTES: integer(10_485_760, 1024, 1_073_741_824).describe(
    'Largest JSON body, and largest CSV file over REST',
  ),
  BULKCAST_MAX_UPLOAD_BYTES: integer(1_073_741_824, 1024, 68_719_476_736).describe('Largest CSV file over GraphQL'),
  BULKCAST_MAX_UPLOADS: integer(4, 1, 100).describe('Uploads that a gateway takes at a time; more are answered 503'),
  BULKCAST_UPLOAD_STALL_MS: integer(30_000, 100, 100_000).describe(
    'How long an upload may take for its next 16 KiB before it is ended',
  ),
  BULKCAST_CORS_ORIGINS: origins
    .default('*')
    .describe('Web origins whose pages may call GraphQL, separated by commas; `*` is all'),
  BULKCAST_TRUSTED_DOCUMENTS: z
    .string()
    .min(1)
    .optional()
    .describe('JSON file of SHA-256 → GraphQL document; with it no other document runs'),
  BULKCAST_TOKEN_SECONDS: integer(900, 10, 86_400).describe('Lifetime of a token of POST /v2/token'),
  BULKCAST_CREDENTIALS_MAX_AGE_MS: integer(5000, 0, 25_000).describe(
    'How long a gateway goes by what it knows of a key or merchant before it asks the database again',
  ),
  BULKCAST_CALLS_PER_MINUTE: integer(1_000_000, 0, 1_000_000_000).describe(
    'Calls that a project may make in a minute, at all doors and gateways together; more are answered 429. 0: no limit',
  ),
  BULKCAST_KEY_CALLS_PER_MINUTE: integer(600_000, 0, 1_000_000_000).describe('The same for each key and merchant'),
  BULKCAST_STARTS_PER_HOUR: integer(36_000, 0, 1_000_000_000).describe(
    'Tasks that a project may start in an hour; 0: no limit',
  ),
  BULKCAST_KEY_STARTS_PER_HOUR: integer(18_000, 0, 1_000_000_000).describe('The same for each key and merchant'),
  BULKCAST_ADDRESS_FAILED_SIGN_INS: integer(300, 0, 1_000_000_000).describe(
    'Sign-ins by one address that may fail in ten minutes, before all are answered 429; 0: no limit',
  ),
  BULKCAST_USER_FAILED_SIGN_INS: integer(30, 0, 1_000_000_000).describe('The same for each username'),
  BULKCAST_TRUSTED_PROXIES: networks
    .optional()
    .describe('Addresses and networks of proxies, separated by commas, whose X-Forwarded-For tells who calls'),
  BULKCAST_CONNECTION_MAX_AGE_SECONDS: integer(14_400, 0, 604_800).describe(
    'After how long a WebSocket or event stream is told to come back, give or take a tenth; 0: never',
  ),
  BULKCAST_DRAIN_MS: integer(5_000, 0, 600_000).describe(
    'Over how long a gateway that stops sends its WebSockets and event streams to others; a hundred or fewer go at once',
  ),
  BULKCAST_LINK_SECONDS: integer(3600, 60, 604_800).describe(
    'Shortest lifetime of a download link; the longest is twice that',
  ),
  BULKCAST_HEAD_MS: integer(20_000, 100, 300_000).describe(
    'How long a client may take until the head of its request has come',
  ),
  BULKCAST_MAX_CONNECTIONS: integer(50_000, 0, 10_000_000).describe(
    'Connections that a gateway has open at a time, those of WebSockets among them; 0: no limit',
  ),
  BULKCAST_MAX_ADDRESS_CONNECTIONS: integer(20_000, 0, 10_000_000).describe(
    'The same for each address; a trusted proxy has all',
  ),
  BULKCAST_WEBHOOK_NETWORKS: networks
    .optional()
    .describe(
      'Internal networks that webhooks may go to, also without TLS, such as `10.1.0.0/16`, separated by commas; default: none',
    ),
  BULKCAST_BOOTSTRAP_APP_ID: z.string().min(1).max(200).optional().describe('First project: its X-App-Id'),
  BULKCAST_BOOTSTRAP_APP_TOKEN: z.string().min(16).max(200).optional().describe('First project: its X-App-Token'),
  BULKCAST_BOOTSTRAP_USERNAME: z.string().min(1).max(200).optional().describe('First project: its merchant'),
  BULKCAST_BOOTSTRAP_PASSWORD: z.string().min(8).max(200).optional().describe("First project: its merchant's password"),
  BULKCAST_BOOTSTRAP_PROGRAM_ID: z
    .string()
    .regex(/^[0-9a-f]{24}$/, 'expected 24 lower-case hex digits')
    .optional()
    .describe('First project: its gift-card program'),
});

const bootstrapNames = [
  'BULKCAST_BOOTSTRAP_APP_ID',
  'BULKCAST_BOOTSTRAP_APP_TOKEN',
  'BULKCAST_BOOTSTRAP_USERNAME',
  'BULKCAST_BOOTSTRAP_PASSWORD',
  'BULKCAST_BOOTSTRAP_PROGRAM_ID',
] as const;

/** The configuration is wrong; the message names every problem and its variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings from `environment` (the process's), where it has none from `defaults`; an empty variable counts as
 *  unset. Throws one ConfigError with all problems. */
export function readConfig(options: { environment?: Environment; defaults?: Environment } = {}): Config {
  const given = { ...options.defaults, ...withoutEmpty(options.environment ?? process.env) };
  const result = settings.safeParse(given);
  const problems = [...(result.error?.issues ?? []).map(tell), ...findContradictions(given), ...findUnknown(given)];
  if (result.success && problems.length === 0) return result.data;
  throw new ConfigError(`The configuration is not usable:\n${problems.join('\n')}`);
}

const migrationSettings = z.object({
  DATABASE_URL: settings.shape.DATABASE_URL.unwrap(),
  BULKCAST_LOG: settings.shape.BULKCAST_LOG,
});

const operatorSettings = settings.pick({ DATABASE_URL: true, BULKCAST_DATA_DIR: true });

/** Which database the commands on projects and credentials are for. */
export type OperatorConfig = Readonly<z.infer<typeof operatorSettings>>;

/** The settings of a migration: DATABASE_URL and the log level; the rest need not be right. Throws a ConfigError. */
export function readMigrationConfig(environment: Environment = process.env): z.infer<typeof migrationSettings> {
  return readPart(migrationSettings, environment);
}

/** The settings of an operator's command; the rest need not be right. Throws a ConfigError. */
export function readOperatorConfig(environment: Environment = process.env): OperatorConfig {
  return readPart(operatorSettings, environment);
}

function readPart<Part>(schema: z.ZodType<Part>, environment: Environment): Part {
  const result = schema.safeParse(withoutEmpty(environment));
  if (result.success) return result.data;
  throw new ConfigError(`The configuration is not usable:\n${result.error.issues.map(tell).join('\n')}`);
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
}

function tell({ path, message }: z.core.$ZodIssue): string {
  return `  ${path.join('.')}: ${message}`;
}

/** Settings that are good each and not together. */
function findContradictions(given: Environment): string[] {
  const { BULKCAST_ROLE: role = 'all', DATABASE_URL, REDIS_URL, BULKCAST_SECRET } = given;
  const problems: string[] = [];
  if (role !== 'all' && REDIS_URL === undefined) {
    problems.push(`  REDIS_URL: required when BULKCAST_ROLE is ${role}: progress has to reach other processes`);
  }
  if (role !== 'all' && DATABASE_URL === undefined) {
    problems.push(`  DATABASE_URL: required when BULKCAST_ROLE is ${role}: the embedded Postgres serves one process`);
  }
  if (DATABASE_URL === undefined) return problems;
  if (BULKCAST_SECRET === undefined) {
    problems.push('  BULKCAST_SECRET: required with DATABASE_URL: every process reads what others signed or sealed');
  }
  const { BULKCAST_DATABASE_CONNECTIONS: connections = '10', BULKCAST_MAX_UPLOADS: uploads = '4' } = given;
  if (Number(connections) < Number(uploads) + 4) {
    problems.push(
      '  BULKCAST_DATABASE_CONNECTIONS: at least four more than BULKCAST_MAX_UPLOADS: each upload holds one',
    );
  }
  const missing = bootstrapNames.filter((name) => given[name] === undefined);
  if (missing.length > 0 && missing.length < bootstrapNames.length) {
    problems.push(...missing.map((name) => `  ${name}: required with the other BULKCAST_BOOTSTRAP settings`));
  }
  return problems;
}

/** A setting that is misspelled would be left out without a word. */
function findUnknown(given: Environment): string[] {
  const names = Object.keys(given).filter(
    (name) => name.startsWith('BULKCAST_') && !Object.hasOwn(settings.shape, name),
  );
  return names.map((name) => `  ${name}: there is no such setting`);
}

/** Name, default and meaning of every setting, for the README. */
export function describeSettings(): { name: string; fallback: string; meaning: string }[] {
  return Object.entries(settings.shape).map(([name, schema]) => ({
    name,
    fallback: schema instanceof z.ZodDefault ? String(schema.def.defaultValue) : '',
    meaning: schema.description ?? '',
  }));
}
