// A message entity made of npm's smpp that submits many messages, `window` of them without an answer, and answers
// what it is told. Options as one JSON argument that names a file of them: port, system_id, password, window,
// submissions (fields of submit_sm, a text of several parts as `parts`). Writes one JSON line {flooded: {ids, refused, receipts}} when each submission was answered
// and each that was taken had its receipt. Ends when its input does.
'use strict';

const smpp = require('smpp');

const options = JSON.parse(require('fs').readFileSync(JSON.parse(process.argv[2]).file, 'utf8'));
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const session = smpp.connect({ url: `smpp://127.0.0.1:${options.port}` });

const waiting = [];
options.submissions.forEach(({ parts, ...fields }, name) => {
  if (!parts) {
    waiting.push([name, fields]);
    return;
  }
  parts.forEach((message, index) => {
    const udh = Buffer.from([5, 0, 3, name & 255, parts.length, index + 1]);
    waiting.push([name, { ...fields, short_message: { udh, message } }]);
  });
});
const total = waiting.length;
const ids = {}; // message_id -> which submission
const refused = {};
const receipts = {}; // message_id -> its last word
let open = 0;
let answered = 0;

function submit() {
  while (open < options.window && waiting.length) {
    const [name, fields] = waiting.shift();
    open += 1;
    session.submit_sm(fields, (pdu) => {
      open -= 1;
      answered += 1;
      if (pdu.command_status === 0) ids[pdu.message_id] = name;
      else refused[pdu.command_status] = (refused[pdu.command_status] || 0) + 1;
      submit();
      finish();
    });
  }
}

function finish() {
  if (answered === total && Object.keys(ids).every((id) => receipts[id])) say({ flooded: { ids, refused, receipts } });
}

session.on('connect', () => {
  session.bind_transceiver({ system_id: options.system_id, password: options.password }, (pdu) => {
    say({ bound: pdu.command_status });
    if (pdu.command_status === 0) submit();
  });
});
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const found = /id:(\S+) .* stat:(\S+) /.exec(pdu.short_message.message);
  if (pdu.esm_class & 4 && found && found[1] === pdu.receipted_message_id) {
    receipts[found[1]] = found[2];
    finish();
  }
});
session.on('error', (error) => say({ error: String(error) }));
process.stdin.on('end', () => session.unbind(() => session.close(() => process.exit(0)))).resume();
