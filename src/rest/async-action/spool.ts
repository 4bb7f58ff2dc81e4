import { randomUUID } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Upload } from '../../tasks/operation.ts';
import type { UploadForm } from '../../uploads.ts';

/** A form that has come in full; its file, if it has one named `file`, waits on disk. */
export interface SpooledForm extends AsyncDisposable {
  readonly fields: ReadonlyMap<string, string>;
  readonly file: Upload | undefined;
}

/**
 * Takes in the whole form before anything is started, for the official clients write the fields that belong to a file after
 * it. So a slow sender holds no transaction open either. The file on disk has no name: it is gone with its handle, even when
 * the process is killed. Throws as the form's stream does.
 */
export async function spoolFile(form: UploadForm): Promise<SpooledForm> {
  if (form.file?.field !== 'file') {
    return { fields: form.fields, file: undefined, [Symbol.asyncDispose]: async () => undefined };
  }
  await using opened = new AsyncDisposableStack();
  const path = join(tmpdir(), `bulkcast-${randomUUID()}.csv`);
  const disk = opened.use(await open(path, 'wx+', 0o600));
  await unlink(path);
  await disk.writeFile(form.file.stream);
  const fields = await form.allFields();
  const stream = disk.createReadStream({ start: 0 });
  // Whoever reads the stream hears of its error; where nobody reads, there is nobody to tell.
  stream.on('error', () => undefined);
  opened.defer(async () => {
    stream.destroy();
  });
  const kept = opened.move();
  const { filename } = form.file;
  return { fields, file: { filename, stream }, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
