// A message centre made of npm's smpp. Options as one JSON argument: password, tlv (receipts of parameters only),
// hex (ids in hexadecimal in answers, in decimal in receipts).
// Writes JSON lines: {port}, {bound}, {submit} for each message, {delivered} for each deliver_sm that was answered.
// Reads JSON lines: {from, to, parts} is a person who writes a text in so many parts.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[2] || '{}');
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const sessions = new Set();
let messages = 0x1f0;

function seen(pdu) {
  const message = pdu.message_payload || pdu.short_message || {};
  return {
    source: pdu.source_addr,
    source_ton: pdu.source_addr_ton,
    source_npi: pdu.source_addr_npi,
    dest: pdu.destination_addr,
    esm_class: pdu.esm_class,
    data_coding: pdu.data_coding,
    registered_delivery: pdu.registered_delivery,
    text: message.message,
    udh: (message.udh || []).map((element) => element.toString('hex')),
    sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum].map((value) => value ?? null),
    payload: Boolean(pdu.message_payload),
  };
}

function deliver(session, fields) {
  session.deliver_sm(fields, (answer) => say({ delivered: answer.command_status }));
}

function receipt(session, pdu, number) {
  const id = String(number);
  const parties = { source_addr: pdu.destination_addr, source_addr_ton: 1, destination_addr: pdu.source_addr };
  if (options.tlv) {
    deliver(session, { ...parties, esm_class: 4, receipted_message_id: id, message_state: 2 });
    return;
  }
  const text = `id:${id.padStart(10, '0')} sub:001 dlvrd:001 submit date:2611231425 done date:2611231425 stat:DELIVRD err:000 text:`;
  deliver(session, { ...parties, esm_class: 4, short_message: text });
}

const server = smpp.createServer((session) => {
  session.on('error', (error) => say({ error: String(error) }));
  session.on('close', () => sessions.delete(session));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  for (const command of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(command, (pdu) => {
      const welcome = pdu.password === (options.password || 'secret');
      session.send(pdu.response({ command_status: welcome ? 0 : smpp.ESME_RINVPASWD, system_id: 'npm' }));
      if (!welcome) return;
      if (command !== 'bind_transmitter') sessions.add(session);
      say({ bound: { command, system_id: pdu.system_id, version: pdu.interface_version } });
    });
  }
  session.on('submit_sm', (pdu) => {
    const number = ++messages;
    say({ submit: seen(pdu) });
    session.send(pdu.response({ message_id: options.hex ? number.toString(16).toUpperCase() : String(number) }));
    if (pdu.registered_delivery & 1) for (const hearing of sessions) receipt(hearing, pdu, number);
  });
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { from, to, parts } = JSON.parse(line);
  parts.forEach((message, index) => {
    const udh = parts.length > 1 ? Buffer.from([5, 0, 3, 42, parts.length, index + 1]) : undefined;
    const fields = { source_addr: from, source_addr_ton: 1, destination_addr: to, data_coding: 8 };
    for (const session of sessions) deliver(session, { ...fields, short_message: { udh, message } });
  });
});

server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
