// Callbacks of next-generation scripts: how they are sent, and how their answers are read.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const callbacks = kit.part('callbacks');
  const { sent, list } = kit.next;

  const callbacksBuilder = {};
  const renamed = { ValidatedCreateUsernameCallback: 'validatedUsernameCallback', ValidatedCreatePasswordCallback: 'validatedPasswordCallback' };
  for (const [name, build] of Object.entries(callbacks.build)) {
    const add = (...given) => {
      sent.push(build(...given));
    };
    // AM spells some of these with two capitals; both spellings work.
    for (const known of [name[0].toLowerCase() + name.slice(1), name, renamed[name]]) if (known) callbacksBuilder[known] = add;
  }
  callbacksBuilder.idPCallback = callbacksBuilder.IdPCallback;

  const answered = { isEmpty: () => callbacks.answers.length === 0, size: () => callbacks.answers.length };
  for (const type of Object.keys(callbacks.build)) {
    const ofType = () => callbacks.answers.filter((answer) => answer.type === type);
    answered[`get${type}s`] = () => list(ofType().map(callbacks.valueOf));
  }
  answered.getValidatedUsernameCallbacks = answered.getValidatedCreateUsernameCallbacks;
  answered.getValidatedPasswordCallbacks = answered.getValidatedCreatePasswordCallbacks;
  answered.getIdpCallbacks = answered.getIdPCallbacks;
  // By id and, for those who count, by position.
  answered.getHiddenValueCallbacks = () => {
    const hidden = callbacks.answers.filter((answer) => answer.type === 'HiddenValueCallback');
    const found = list(hidden.map(callbacks.valueOf));
    for (const answer of hidden) if (!(answer.output.id in found)) hide(found, { [answer.output.id]: callbacks.valueOf(answer) });
    const byId = (id) => hidden.find((answer) => answer.output.id === text(id));
    return hide(found, { get: (id) => {
      const answer = byId(id);
      return answer === undefined ? found[id] ?? null : callbacks.valueOf(answer);
    } });
  };

  return { callbacksBuilder, callbacks: answered };
})
