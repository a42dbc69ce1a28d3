// A folder of manifests in a temporary directory, written the ways people and tools write files.

import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export class TestFolder implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async create(files: Readonly<Record<string, string>> = {}): Promise<TestFolder> {
    const folder = new TestFolder(await mkdtemp(join(tmpdir(), 'sluice-feature-')));
    for (const [path, text] of Object.entries(files)) await folder.write(path, text);
    return folder;
  }

  /** Writes in place, as `cp` and shells do. */
  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.dir, path)), { recursive: true });
    await writeFile(join(this.dir, path), text);
  }

  /** Writes beside and renames over, as editors and deployment tools do. */
  async replace(path: string, text: string): Promise<void> {
    const draft = join(this.dir, `.draft-${randomBytes(4).toString('hex')}`);
    await writeFile(draft, text);
    await rename(draft, join(this.dir, path));
  }

  /**
   * Makes `..data` point to a new directory with these files, in one step, as the kubelet updates a mounted ConfigMap. The
   * links `<file> -> ..data/<file>` are made when there are none.
   */
  async swapData(files: Readonly<Record<string, string>>): Promise<void> {
    const version = `..version-${randomBytes(4).toString('hex')}`;
    for (const [path, text] of Object.entries(files)) await this.write(join(version, path), text);
    await symlink(version, join(this.dir, '..data_tmp'));
    await rename(join(this.dir, '..data_tmp'), join(this.dir, '..data'));
    for (const path of Object.keys(files)) {
      await symlink(join('..data', path), join(this.dir, path)).catch(ignoreExisting);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
