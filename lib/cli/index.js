'use strict';

const { redact } = require('../shared/redact.js');

/** One module a subcommand: `{ summary, help, run(args) }`, where `run` resolves to the exit code. */
const COMMANDS = {
  listen: () => require('./listen.js'),
  connect: () => require('./connect.js'),
  token: () => require('./token.js'),
  doctor: () => require('./doctor.js'),
  emulator: () => require('./emulator.js')
};

/**
 * Runs the command line.
 *
 * @param {String[]} args without node and script
 * @returns {Promise<Number>} the exit code: 0, 1 for a failure, 2 for wrong usage
 */
async function main(args) {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const asked = name !== undefined;
    (asked ? process.stdout : process.stderr).write(overview());
    return asked ? 0 : 2;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${require('../../package.json').version}\n`);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    process.stderr.write(`hyco-ws-rs: there is no command '${redact(name)}'\n\n${overview()}`);
    return 2;
  }
  const command = COMMANDS[name]();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    process.stderr.write(`hyco-ws-rs ${name}: ${redact(error.message)}\n`);
    return isUsage(error) ? 2 : 1;
  }
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
