// Every value of the annotations about limits of clients, from the manifest to the requests that pass.

import { limitCases } from '../upstreams/cases/limits.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(limitCases);
