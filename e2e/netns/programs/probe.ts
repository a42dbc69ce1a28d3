// One GET from inside a namespace. Arguments: address, port, host, path. Writes `<status> <body>` in one line, or the
// error.

import { get } from 'node:http';

const [address = '', port = '', host = '', path = '/'] = process.argv.slice(2);

const request = get({ host: address, port: Number(port), path, headers: { host }, timeout: 10_000 }, (response) => {
  let body = '';
  response.setEncoding('utf8').on('data', (text: string) => {
    body += text;
  });
  response.on('end', () => console.log(`${response.statusCode} ${body.trim().replaceAll('\n', ' ')}`));
});
request.on('timeout', () => request.destroy(new Error('no answer in time')));
request.on('error', (error) => console.log(`error ${error.message}`));
