// Reads texts as JSON strings, one a line; answers each with one JSON line: how two independent peers see it.
//   sms-segments-calculator: { encoding, parts: [text], units: [septets or code units] }
//   ICU through Intl.Segmenter: { clusters: [length of each grapheme cluster in code points] }
'use strict';

const readline = require('readline');
const { SegmentedMessage } = require('sms-segments-calculator');

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

function seen(text) {
  const message = new SegmentedMessage(text);
  const gsm = message.getEncodingName() === 'GSM-7';
  return {
    encoding: gsm ? 'gsm7' : 'ucs2',
    // A segment is an array that begins with the octets of its header, which have no `raw`. Its own map() would
    // make another segment, with another header.
    parts: message.segments.map((one) => Array.from(one, (char) => char.raw || '').join('')),
    units: message.segments.map((one) => one.messageSizeInBits() / (gsm ? 7 : 16)),
    clusters: Array.from(segmenter.segment(text), (cluster) => Array.from(cluster.segment).length),
  };
}

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => process.stdout.write(JSON.stringify(seen(JSON.parse(line))) + '\n'));
