import type { FastifyInstance } from 'fastify';
import { type Config, ConfigError } from './config.ts';

export interface Listener {
  /** Where it listens, such as `http://127.0.0.1:4000`; a wildcard address is told as `localhost`. */
  readonly url: string;
  /** Takes no new request and waits for those in hand; after the bound, cuts them off. May be called twice. */
  stop(timeoutMs: number): Promise<void>;
}

/** Listens where the configuration says. Throws a ConfigError when the address cannot be had. */
export async function listen(server: FastifyInstance, config: Pick<Config, 'HOST' | 'PORT'>): Promise<Listener> {
  try {
    await server.listen({ port: config.PORT, host: config.HOST });
  } catch (cause) {
    const taken = `PORT and HOST: cannot listen on ${config.HOST} port ${config.PORT}; choose another, such as PORT=4001`;
    throw new ConfigError(taken, { cause });
  }
  const address = server.server.address();
  const port = typeof address === 'object' ? (address?.port ?? config.PORT) : config.PORT;
  const name = config.HOST === '0.0.0.0' || config.HOST === '::' ? 'localhost' : config.HOST;
  const url = `http://${name.includes(':') ? `[${name}]` : name}:${port}`;

  const stop = async (timeoutMs: number) => {
    const cutOff = setTimeout(() => server.server.closeAllConnections(), timeoutMs);
    await server.close().finally(() => clearTimeout(cutOff));
  };
  let stopped: Promise<void> | undefined;
  return { url, stop: (timeoutMs) => (stopped ??= stop(timeoutMs)) };
}
