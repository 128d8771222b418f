'use strict';

const { spawn } = require('node:child_process');
const os = require('node:os');

/**
 * Keeps every core busy with a loop that gives way to everything else (`SCHED_IDLE`), because waking a core that sleeps
 * costs more than most of what is measured. Linux with util-linux's `chrt` only.
 *
 * @return {function(): void} Ends it
 */
function keepAwake() {
  // Each ends by itself if this process is killed: its parent is then another.
  const loop = 'while (process.ppid === Number(process.argv[1])) for (let i = 0; i < 1e7; i++);';
  const children = os.cpus().map(() => {
    const args = ['-i', '0', process.execPath, '-e', loop, String(process.pid)];
    const child = spawn('chrt', args, { stdio: 'ignore' });
    child.on('error', (error) => process.stderr.write(`--awake: ${error.message}\n`));
    return child;
  });
  return () => children.forEach((child) => child.kill());
}

module.exports = { keepAwake };
