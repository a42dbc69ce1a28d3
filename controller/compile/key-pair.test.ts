import { describe, expect, test } from '@jest/globals';
import type { CertificateInfo } from '#proxy/table/types.ts';
import { coversHost, pairFromPem } from './key-pair.ts';
import { fixture, pairOfFixture } from './testing/fixtures.ts';

const crt = fixture('foo-bar-com.crt');
const key = fixture('foo-bar-com.key');

describe('pairFromPem', () => {
  test('describes the leaf', () => {
    const { info } = pairOfFixture('example-com', 'default/tls');
    expect(info).toMatchObject({
      secret: 'default/tls',
      commonName: 'a.example.com',
      dnsNames: ['a.example.com', 'b.example.com'],
      issuerCommonName: 'a.example.com',
      issuerOrganization: 'Sluice test',
      publicKeyAlgorithm: 'RSA',
    });
    expect(info.notAfterMs).toBeGreaterThan(Date.parse('2100-01-01'));
    expect(info.serialNumber).toMatch(/^\d+$/);
    expect(pairOfFixture('foo-bar-com', '').info.publicKeyAlgorithm).toBe('ECDSA');
  });

  test('gives ids by content: the key counts, the Secret does not', () => {
    const id = (cert: string, privateKey: string, secret: string) => {
      const parsed = pairFromPem(cert, privateKey, secret);
      return parsed.ok ? parsed.pair.info.id : parsed.why;
    };
    expect(id(crt, key, 'a/b')).toBe(id(crt, key, 'c/d'));
    expect(id(crt, `${key}\n`, 'a/b')).not.toBe(id(crt, key, 'a/b'));
    // Pinned: a changed id makes every worker load every certificate again.
    expect(id(crt, key, '')).toMatch(/^[0-9a-f]{32}$/);
  });

  test('takes a chain, leaf first', () => {
    const chain = `${crt}${fixture('example-com.crt')}`;
    const parsed = pairFromPem(chain, key, '');
    expect(parsed.ok && parsed.pair.info.commonName).toBe('foo.bar.com');
    expect(parsed.ok && parsed.pair.material.certPem).toBe(chain);
  });

  const broken = crt.replace('MII', 'XXX');
  test.each([
    ['no certificate', '', key, 'tls.crt', 'holds no PEM certificate'],
    ['a key in the place of the certificate', key, key, 'tls.crt', 'holds no PEM certificate'],
    ['a broken certificate', broken, key, 'tls.crt', 'holds a certificate that cannot be read (number 1)'],
    ['a broken intermediate', crt + broken, key, 'tls.crt', 'holds a certificate that cannot be read (number 2)'],
    ['no key', crt, '', 'tls.key', 'holds no readable, unencrypted PEM private key'],
    ['a certificate in the place of the key', crt, crt, 'tls.key', 'holds no readable, unencrypted PEM private key'],
    [
      'a key of another certificate',
      crt,
      fixture('wildcard-foo-com.key'),
      'tls.key',
      'is not the key of the certificate in tls.crt',
    ],
    [
      'a key of another algorithm',
      crt,
      fixture('example-com.key'),
      'tls.key',
      'is not the key of the certificate in tls.crt',
    ],
  ])('refuses %s', (_, certPem, keyPem, field, why) => {
    expect(pairFromPem(certPem, keyPem, '')).toEqual({ ok: false, field, why });
  });
});

describe('coversHost', () => {
  const info = (names: readonly string[], commonName = ''): CertificateInfo => ({
    ...pairOfFixture('foo-bar-com', '').info,
    dnsNames: names,
    commonName,
  });
  test.each([
    ['the name itself', ['a.test'], 'a.test', true],
    ['another name', ['a.test'], 'b.test', false],
    ['any case in the certificate', ['A.Test'], 'a.test', true],
    ['one label for *', ['*.test'], 'a.test', true],
    ['not two labels for *', ['*.test'], 'a.b.test', false],
    ['not no label for *', ['*.test'], 'test', false],
    ['a wildcard host by the same wildcard', ['*.a.test'], '*.a.test', true],
    ['a wildcard host by no exact name', ['b.a.test'], '*.a.test', false],
    ['a partial wildcard is no wildcard', ['a*.test'], 'ab.test', false],
    ['one label needs its own name', ['*'], 'test', false],
  ])('%s', (_, names, host, want) => {
    expect(coversHost(info(names), host)).toBe(want);
  });

  test('the common name counts only without alternative names', () => {
    expect(coversHost(info([], 'a.test'), 'a.test')).toBe(true);
    expect(coversHost(info(['b.test'], 'a.test'), 'a.test')).toBe(false);
    expect(coversHost(info([], ''), '')).toBe(false);
  });
});
