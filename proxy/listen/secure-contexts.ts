// The TLS contexts of a worker, one per certificate, made when a handshake first asks for it.
//
// Making one costs a third of a millisecond, so a table with thousands of certificates must not pay for all at once.
// A changed pair has a new id, so a context never changes; connections keep theirs when a certificate is replaced.

import tls from 'node:tls';
import type { CertificateId, CertificateMaterial, GlobalSettings } from '../table/types.ts';

interface Entry {
  readonly material: CertificateMaterial;
  /** null until the first handshake; 'broken' when OpenSSL refuses the pair. */
  context: tls.SecureContext | 'broken' | null;
}

export class SecureContexts {
  readonly #entries = new Map<CertificateId, Entry>();
  readonly #onBroken: (id: CertificateId, message: string) => void;
  readonly #onRefusedCiphers: (message: string) => void;
  #settings: tls.SecureContextOptions = {};

  constructor(onBroken: (id: CertificateId, message: string) => void, onRefusedCiphers: (message: string) => void) {
    this.#onBroken = onBroken;
    this.#onRefusedCiphers = onRefusedCiphers;
  }

  add(material: readonly CertificateMaterial[]): void {
    for (const each of material) {
      if (!this.#entries.has(each.id)) this.#entries.set(each.id, { material: each, context: null });
    }
  }

  remove(ids: readonly CertificateId[]): void {
    for (const id of ids) this.#entries.delete(id);
  }

  /** Keeps only these ids: after a full update. */
  retain(ids: ReadonlySet<CertificateId>): void {
    for (const id of this.#entries.keys()) if (!ids.has(id)) this.#entries.delete(id);
  }

  /** Takes protocol versions and ciphers over. New handshakes use them; contexts are made again only when they changed. */
  configure(global: GlobalSettings): void {
    const settings = this.#usable(secureOptions(global));
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return;
    this.#settings = settings;
    for (const entry of this.#entries.values()) entry.context = null;
  }

  /** A cipher string that OpenSSL does not know would break every certificate: the built-in list serves instead. */
  #usable(settings: tls.SecureContextOptions): tls.SecureContextOptions {
    try {
      tls.createSecureContext(settings);
      return settings;
    } catch (error) {
      const { ciphers: _refused, ...rest } = settings;
      this.#onRefusedCiphers(error instanceof Error ? error.message : String(error));
      return rest;
    }
  }

  /** Options for a listener's default context with this certificate. */
  optionsOf(id: CertificateId | null): tls.SecureContextOptions {
    const entry = id === null ? undefined : this.#entries.get(id);
    if (entry === undefined) return this.#settings;
    return { ...this.#settings, cert: entry.material.certPem, key: entry.material.keyPem };
  }

  /** The context of a certificate; `undefined` when the id is unknown or the pair cannot be used: the default serves then. */
  get(id: CertificateId): tls.SecureContext | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.context === 'broken') return undefined;
    entry.context ??= this.#create(id, entry.material);
    return entry.context === 'broken' ? undefined : entry.context;
  }

  #create(id: CertificateId, { certPem, keyPem }: CertificateMaterial): tls.SecureContext | 'broken' {
    try {
      return tls.createSecureContext({ ...this.#settings, cert: certPem, key: keyPem });
    } catch (error) {
      this.#onBroken(id, error instanceof Error ? error.message : String(error));
      return 'broken';
    }
  }
}

function secureOptions(global: GlobalSettings): tls.SecureContextOptions {
  return {
    minVersion: global.minTlsVersion,
    maxVersion: global.maxTlsVersion,
    honorCipherOrder: true,
    ...(global.tlsCiphers === null ? {} : { ciphers: `${global.tlsCiphers}:${TLS13_CIPHERS}` }),
  };
}

/** OpenSSL keeps TLS 1.3 suites apart; Node wants them in the same string, or TLS 1.3 would be off. */
const TLS13_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
