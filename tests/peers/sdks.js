// SDKs of operators from npm, unmodified, against simulated ones: `node sdks.js NAME OPTIONS`, both JSON in and
// out. What they ask of their operators' hosts goes to `url`; nothing else is changed.
"use strict";
const http = require("http");
const https = require("https");

const [name, options] = [process.argv[2], JSON.parse(process.argv[3])];
const here = new URL(options.url);

function moved(asked, heard) {
  const there = { ...asked, protocol: "http:", host: here.hostname, hostname: here.hostname, port: here.port, agent: undefined };
  return request(there, heard);
}
const request = http.request;
https.request = http.request = moved;
https.get = (url, heard) => request({ host: here.hostname, port: here.port, path: new URL(url).pathname }, heard).end();

const SDKS = {
  async kavenegar() {
    const sdk = require("kavenegar").KavenegarApi({ apikey: options.key });
    const ask = (method, given) => new Promise((done) => sdk[method](given, (entries, status, message) => done({ entries, status, message })));
    const sent = await ask("Send", { receptor: options.to, message: options.text, sender: options.sender, localid: "7" });
    const again = await ask("Send", { receptor: options.to, message: options.text, sender: options.sender, localid: "7" });
    const looked = await ask("VerifyLookup", { receptor: options.to, template: "code", token: "48215" });
    const status = await ask("Status", { messageid: sent.entries[0].messageid });
    const wrong = await ask("Send", { receptor: "1", message: options.text });
    return { sent, again, looked, status, wrong };
  },

  async postmark() {
    const { ServerClient } = require("postmark");
    const sdk = new ServerClient(options.token, { requestHost: here.host, useHttps: false });
    const mail = { From: options.sender, To: options.to, Subject: "Order 1234", TextBody: options.text, MessageStream: "outbound" };
    const sent = await sdk.sendEmail({ ...mail, Metadata: { client_ref: "att_1" } });
    const found = await sdk.getOutboundMessages({ count: 1, offset: 0, metadata_client_ref: "att_1" });
    const wrong = await sdk.sendEmail({ ...mail, From: "a@elsewhere.example" }).catch((error) => error);
    return { sent, found, wrong: { name: wrong.name, code: wrong.code, statusCode: wrong.statusCode } };
  },

  async ses() {
    const { SESv2Client, SendEmailCommand, GetAccountCommand } = require("@aws-sdk/client-sesv2");
    const made = (secretAccessKey) =>
      new SESv2Client({ region: options.region, endpoint: options.url, maxAttempts: 1, credentials: { accessKeyId: options.key, secretAccessKey } });
    const sdk = made(options.secret);
    const mail = {
      FromEmailAddress: options.sender,
      Destination: { ToAddresses: [options.to] },
      Content: { Raw: { Data: Buffer.from(options.mail, "base64") } },
      EmailTags: [{ Name: "client_ref", Value: "att_1" }],
    };
    const sent = await sdk.send(new SendEmailCommand(mail));
    const account = await sdk.send(new GetAccountCommand({}));
    const wrong = await made("another").send(new SendEmailCommand(mail)).catch((error) => error);
    return { sent: sent.MessageId, account: account.SendingEnabled, wrong: wrong.name };
  },

  async sns() {
    const Validator = require("sns-validator");
    const validate = (message) =>
      new Promise((done) => new Validator(/^sns\.example$/).validate(message, (error) => done(error ? error.message : "valid")));
    const answers = [];
    for (const message of options.messages) answers.push(await validate(message));
    return answers;
  },

  async "web-push"() {
    const sdk = require("web-push");
    sdk.setVapidDetails("mailto:ops@shop.example", options.site, options.key);
    const push = (endpoint, keys) =>
      sdk.sendNotification({ endpoint, keys }, JSON.stringify({ title: "Hi", body: options.text }), { TTL: 60, urgency: "high", topic: "order" }).then(
        (answer) => answer.statusCode,
        (error) => error.statusCode,
      );
    return [await push(options.endpoint, options.keys), await push(options.gone, options.keys)];
  },

  async max() {
    const { Bot } = require("@maxhub/max-bot-api");
    const { api } = new Bot(options.token, { clientOptions: { baseUrl: options.url } });
    const me = await api.getMyInfo();
    const sent = await api.sendMessageToUser(Number(options.to), options.text);
    const refused = await api.sendMessageToUser(Number(options.blocked), options.text).catch((error) => error);
    const updates = await api.getUpdates([], { timeout: 1 });
    return { me, sent, refused: { status: refused.status, code: refused.code }, updates };
  },
};

SDKS[name]().then(
  (answer) => process.stdout.write(JSON.stringify(answer)),
  (error) => {
    process.stderr.write(String(error.stack));
    process.exitCode = 1;
  },
);
