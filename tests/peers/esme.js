// A message entity made of npm's smpp. Options as one JSON argument: port, password, submissions (fields of submit_sm,
// a text of several parts as `parts`). Writes JSON lines: {bound} with the status, {answer} for each message,
// {receipt} or {message} for each deliver_sm. Ends when its input does.
'use strict';

const smpp = require('smpp');

const options = JSON.parse(process.argv[2]);
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const session = smpp.connect({ url: `smpp://127.0.0.1:${options.port}` });

function submit(fields) {
  const { parts, ...rest } = fields;
  if (!parts) {
    session.submit_sm(rest, (pdu) => say({ answer: { status: pdu.command_status, id: pdu.message_id } }));
    return;
  }
  parts.forEach((message, index) => {
    const udh = Buffer.from([5, 0, 3, 7, parts.length, index + 1]);
    submit({ ...rest, short_message: { udh, message } });
  });
}

session.on('connect', () => {
  session.bind_transceiver({ system_id: 'angarium', password: options.password || 'secret' }, (pdu) => {
    say({ bound: pdu.command_status });
    if (pdu.command_status === 0) options.submissions.forEach(submit);
  });
});
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const text = pdu.short_message.message;
  say(pdu.esm_class & 4 ? { receipt: text, id: pdu.receipted_message_id, state: pdu.message_state } : { message: text });
});
session.on('error', (error) => say({ error: String(error) }));
process.stdin.on('end', () => session.unbind(() => session.close(() => process.exit(0)))).resume();
