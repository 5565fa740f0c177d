// The log.
(function (kit) {
  'use strict';
  const { ask, text } = kit;

  // `{}` in the text stands for the values after it, as in slf4j.
  const line = (level, [message, ...rest]) => {
    let shown = text(message);
    for (const value of rest) {
      if (value instanceof Error) shown += `: ${value}`;
      else shown = shown.includes('{}') ? shown.replace('{}', () => String(value)) : shown;
    }
    ask('log', { level, text: shown });
  };
  const logger = {};
  for (const [name, level] of Object.entries({
    trace: 'trace', debug: 'debug', message: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error',
  })) {
    logger[name] = (...given) => line(level, given);
    logger[`${name}Enabled`] = () => true;
    logger[`is${name[0].toUpperCase()}${name.slice(1)}Enabled`] = () => true;
  }

  return logger;
})
