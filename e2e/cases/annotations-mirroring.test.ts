// Every value of the annotations about copies of requests and about the cluster IP, from the manifest to where requests arrive.

import { mirroringCases } from '../upstreams/cases/mirroring.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(mirroringCases);
