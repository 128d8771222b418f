'use strict';

const { remedyFor } = require('../shared/remedy.js');
const { inFlags } = require('./flags.js');
const { endWithReader, note } = require('./output.js');

/** One module a subcommand: `{ summary, help, run(args) }`, where `run` resolves to the exit code. */
const COMMANDS = {
  listen: () => require('./listen.js'),
  connect: () => require('./connect.js'),
  forward: () => require('./forward.js'),
  bridge: () => require('./bridge.js'),
  token: () => require('./token.js'),
  doctor: () => require('./doctor.js'),
  emulator: () => require('./emulator.js')
};

const HELP = ['--help', '-h', 'help'];

/**
 * Runs the command line.
 *
 * @param {String[]} args without node and script
 * @returns {Promise<Number>} the exit code: 0, 1 for a failure, 2 for wrong usage
 */
async function main(args) {
  endWithReader();
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(overview());
    return 2;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${require('../../package.json').version}\n`);
    return 0;
  }
  if (!HELP.includes(name)) return dispatch(name, rest);
  const [about] = rest;
  if (about !== undefined && !HELP.includes(about)) return dispatch(about, ['--help']);
  process.stdout.write(overview());
  return 0;
}

async function dispatch(name, args) {
  if (!Object.hasOwn(COMMANDS, name)) {
    note(`hyco-ws-rs: there is no command '${name}'`, 'red');
    process.stderr.write(`\n${overview()}`);
    return 2;
  }
  const command = COMMANDS[name]();
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  try {
    return await command.run(args);
  } catch (error) {
    return complain(name, error);
  }
}

/** @return {Number} the exit code */
function complain(name, error) {
  // It quotes the argument, and one in the wrong place may be a key.
  if (error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
    error.message = 'It takes no arguments but its options';
  }
  note(`hyco-ws-rs ${name}: ${inFlags(error).message}`, 'red');
  if (isUsage(error)) {
    note(`hyco-ws-rs ${name} --help tells more.`);
    return 2;
  }
  const remedy = remedyFor(error);
  if (remedy !== undefined) note(remedy);
  return 1;
}

function isUsage({ code = '' }) {
  return code.startsWith('ERR_PARSE_ARGS') || code.startsWith('ERR_INVALID_ARG');
}

function overview() {
  const lines = Object.entries(COMMANDS).map(([name, load]) => `  ${name.padEnd(10)} ${load().summary}`);
  return `Usage: hyco-ws-rs <command> [options]

Commands:
${lines.join('\n')}

hyco-ws-rs <command> --help tells more.
`;
}

module.exports = { main };
