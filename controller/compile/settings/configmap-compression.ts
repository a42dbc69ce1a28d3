// ConfigMap keys about compressed responses. ConfigMap reference section B, second half.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord } from './record.ts';
import { bool, integerFrom, textNamed } from './types.ts';

const compression = configMapFamily({
  group: 'Compression',
  support: 'notYet',
  note: 'responses are sent as the upstream sends them',
});

const GZIP_TYPES =
  'application/atom+xml application/javascript application/x-javascript application/json application/rss+xml application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component';
const mediaTypes = textNamed('media types separated by spaces');

/** All of this family, in the order of the reference. */
export const compressionKeys: readonly ConfigMapRecord<unknown>[] = [
  compression({ key: 'use-gzip', type: bool, default: false, doc: 'Compresses responses with gzip.' }),
  compression({ key: 'gzip-level', type: integerFrom(1, 9), default: 1, doc: 'Effort of gzip, 1 to 9.' }),
  compression({
    key: 'gzip-min-length',
    type: integerFrom(0),
    default: 256,
    doc: 'Smallest response that gzip compresses, bytes.',
  }),
  compression({ key: 'gzip-types', type: mediaTypes, default: GZIP_TYPES, doc: 'Types that gzip compresses.' }),
  compression({
    key: 'gzip-disable',
    type: textNamed('regular expression'),
    default: '',
    doc: 'User agents that get no gzip.',
  }),
  compression({ key: 'enable-brotli', type: bool, default: false, doc: 'Compresses responses with Brotli.' }),
  compression({ key: 'brotli-level', type: integerFrom(0, 11), default: 4, doc: 'Effort of Brotli, 0 to 11.' }),
  compression({
    key: 'brotli-min-length',
    type: integerFrom(0),
    default: 20,
    doc: 'Smallest response that Brotli compresses, bytes.',
  }),
  compression({
    key: 'brotli-types',
    type: mediaTypes,
    default: `application/xml+rss ${GZIP_TYPES}`,
    doc: 'Types that Brotli compresses.',
  }),
];
