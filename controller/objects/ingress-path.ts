// Checks `path` and `pathType` of an `HTTPIngressPath` as the API server does
// (kubernetes/pkg/apis/networking/validation, validateHTTPIngressPath).
//
// In: text of a manifest. Out: path and type, or null and a diagnostic. Nothing is normalised: `%2F`, `//` and dot
// segments are refused in Exact and Prefix paths, since a request path never holds them by the time it is matched.

import type { DecodeReport } from './decode-report.ts';
import type { PathType } from './types.ts';

const pathTypes: ReadonlySet<unknown> = new Set<PathType>(['Exact', 'Prefix', 'ImplementationSpecific']);
const forbiddenInside = ['//', '/./', '/../', '%2f', '%2F'] as const;
const forbiddenAtEnd = ['/..', '/.'] as const;

/** Checks a path with its type. An ImplementationSpecific path may be '' or a regular expression, but starts with `/`. */
export function decodePath(
  path: string,
  pathType: unknown,
  field: string,
  effect: string,
  report: DecodeReport,
): { readonly path: string; readonly pathType: PathType } | null {
  if (pathType === undefined || pathType === null) {
    report.missing(`${field}.pathType`, effect, ': it must be Exact, Prefix or ImplementationSpecific');
    return null;
  }
  if (!isPathType(pathType)) {
    report.invalid(`${field}.pathType`, pathType, 'must be Exact, Prefix or ImplementationSpecific', effect);
    return null;
  }
  const why = whyNotPath(path, pathType);
  if (why === null) return { path, pathType };
  report.invalid(`${field}.path`, path, why, effect);
  return null;
}

/** Says why a path does not go with its type, or null when it does. */
export function whyNotPath(path: string, pathType: PathType): string | null {
  if (pathType === 'ImplementationSpecific' && path === '') return null;
  if (!path.startsWith('/')) return 'must be an absolute path: it starts with "/"';
  if (pathType === 'ImplementationSpecific') return null;
  const inside = forbiddenInside.find((part) => path.includes(part));
  if (inside !== undefined) return `must not contain "${inside}"`;
  const end = forbiddenAtEnd.find((part) => path.endsWith(part));
  return end === undefined ? null : `must not end in "${end}"`;
}

/** True for one of the three types that the API knows. */
export function isPathType(value: unknown): value is PathType {
  return pathTypes.has(value);
}
