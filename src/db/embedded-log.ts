/** Where the embedded Postgres reports its changes of state: a constant event and its fields. */
export type EmbeddedLog = (event: string, fields?: Record<string, unknown>) => void;
