// A listener and a sender without keys: Entra ID gives the tokens.
//
//     npm install @azure/identity        4.13 or older for Node.js 20
//     az login
//     node examples/entra-id.mjs
//
// The identity needs the roles "Azure Relay Listener" and "Azure Relay Sender" at the hybrid connection.

import { once } from 'node:events';

import { DefaultAzureCredential } from '@azure/identity';

import { RelayedServer, connectRelayed } from 'hyco-ws-rs';

const { SB_HC_NAMESPACE: namespace, SB_HC_PATH: path } = process.env;
const address = `sb://${namespace}/${path}`;
const credential = new DefaultAzureCredential();

const server = new RelayedServer({ server: address, credential });
server.on('connection', (socket) => socket.send('no key was used'));
await once(server, 'listening');

const socket = await connectRelayed(address, { credential });
const [text] = await once(socket, 'message');
console.log(text.toString());

socket.close();
await server.close();
