// Annotations over the ConfigMap that gives their default.

import { globalDefaultCases, globalSettings } from '../upstreams/cases/global-defaults.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(globalDefaultCases, ['--configmap=default/settings'], globalSettings);
