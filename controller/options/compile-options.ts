// The part of the process options that compile() depends on.

import type { CertificatePair, CompileOptions } from '../compile/types.ts';
import type { Options } from '../options.ts';

/** Picks compile's options. `fallbackCertificate` is what clients get where no Secret gives a certificate. */
export function compileOptionsOf(options: Options, fallbackCertificate: CertificatePair): CompileOptions {
  return {
    ingressClass: options.ingressClass,
    controllerClass: options.controllerClass,
    ingressClassByName: options.ingressClassByName,
    watchIngressWithoutClass: options.watchIngressWithoutClass,
    watchNamespace: options.watchNamespace,
    watchNamespaceSelector: options.watchNamespaceSelector,
    configMap: options.configmap,
    defaultSslCertificate: options.defaultSslCertificate,
    defaultBackendService: options.defaultBackendService,
    annotationsPrefix: options.annotationsPrefix,
    enableAnnotationValidation: options.enableAnnotationValidation,
    deepInspect: options.deepInspect,
    disableCatchAll: options.disableCatchAll,
    disableSvcExternalName: options.disableSvcExternalName,
    enableTopologyAwareRouting: options.enableTopologyAwareRouting,
    nodeZone: options.nodeZone,
    httpsPort: options.httpsPort,
    fallbackCertificate,
  };
}
