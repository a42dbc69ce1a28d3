// Reads one manifest file without ever holding more of it than allowed.

import { Buffer } from 'node:buffer';
import { open } from 'node:fs/promises';
import { codeOf, type FileStamp, stampOf } from './scan-folder.ts';

/** `stamp` is that of the opened file: what was scanned before may be another file by now. */
export type FileRead =
  | { readonly kind: 'text'; readonly text: string; readonly stamp: FileStamp }
  | { readonly kind: 'refused'; readonly reason: 'ManifestTooLarge' | 'ManifestUnreadable'; readonly what: string }
  | { readonly kind: 'missing' };

/** Reads a file as UTF-8. A larger one is refused by its size alone. I/O errors are data, as a later try may succeed. */
export async function readManifestFile(path: string, maxBytes: number): Promise<FileRead> {
  try {
    await using file = await open(path, 'r');
    const stats = await file.stat({ bigint: true });
    if (stats.size > maxBytes) return tooLarge(maxBytes);
    const buffer = Buffer.allocUnsafe(Number(stats.size));
    // A file that grows meanwhile has a new stamp at the next look; what was stat'ed is what is read.
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const text = decodeUtf8(buffer.subarray(0, bytesRead));
    if (text === null) return { kind: 'refused', reason: 'ManifestUnreadable', what: 'the file is not UTF-8 text' };
    return { kind: 'text', text, stamp: stampOf(stats) };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'missing' };
    return { kind: 'refused', reason: 'ManifestUnreadable', what: `the file cannot be read (${code})` };
  }
}

/** Without the size: while a large file is being written each look finds another one, and each would be a new problem. */
function tooLarge(maxBytes: number): FileRead {
  const what = `the file is larger than the limit of ${maxBytes} bytes (--max-manifest-bytes)`;
  return { kind: 'refused', reason: 'ManifestTooLarge', what };
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
