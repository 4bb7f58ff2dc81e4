import type { GraphiQLOptions } from 'graphql-yoga';

/** Renders GraphiQL as one page that loads nothing from elsewhere. It weighs 9 MB, so it is only read when somebody asks. */
export function createGraphiqlRenderer(): (options: GraphiQLOptions) => Promise<string> {
  let page: Promise<string> | undefined;
  return (options) => {
    page ??= import('@graphql-yoga/render-graphiql').then(({ renderGraphiQL }) => renderGraphiQL(options));
    return page;
  };
}
