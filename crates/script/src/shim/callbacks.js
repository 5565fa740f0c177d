// Callbacks on the wire: what each type shows, what it asks for, and how its answer is read. Both generations build on
// this table.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const list = (values) => (values === null || values === undefined ? [] : Array.from(values, text));
  const flag = (value) => value === true || value === 'true' || (value instanceof Boolean && value.valueOf());
  const number = (value, other) => {
    const read = Number(value);
    return value === null || value === undefined || Number.isNaN(read) ? other : read;
  };
  const policies = (value) => {
    if (value === null || value === undefined) return {};
    return kit.isText(value) ? kit.parse(String(value)) : value;
  };

  const make = (type, output, input) => ({ type, output: Object.entries(output), input: Object.entries(input) });
  const attribute = (type, empty) => (name, prompt, value, required, rules, validateOnly, failed) => make(type, {
    name: text(name),
    prompt: text(prompt),
    required: flag(required),
    policies: policies(rules),
    failedPolicies: list(failed),
    validateOnly: flag(validateOnly),
    value: value ?? empty,
  }, { '': value ?? empty, validateOnly: flag(validateOnly) });
  const message = (type) => (kind, shown) => make(type, { message: text(shown), messageType: text(number(kind, 0)) }, {});

  const build = {
    NameCallback: (prompt, name) => make('NameCallback', { prompt: text(prompt) }, { '': text(name) }),
    PasswordCallback: (prompt) => make('PasswordCallback', { prompt: text(prompt) }, { '': '' }),
    TextInputCallback: (prompt, preset) =>
      make('TextInputCallback', { prompt: text(prompt), defaultText: text(preset) }, { '': text(preset) }),
    TextOutputCallback: message('TextOutputCallback'),
    SuspendedTextOutputCallback: message('SuspendedTextOutputCallback'),
    ScriptTextOutputCallback: (script) => make('TextOutputCallback', { message: text(script), messageType: '4' }, {}),
    ChoiceCallback: (prompt, choices, preset) => make('ChoiceCallback',
      { prompt: text(prompt), choices: list(choices), defaultChoice: number(preset, 0) }, { '': number(preset, 0) }),
    // Four forms: with or without a prompt before the kind of message, with a list of buttons or a number for usual ones.
    ConfirmationCallback(...given) {
      const prompt = kit.isText(given[0]) ? text(given.shift()) : '';
      const [kind, options, preset] = given;
      const usual = typeof options === 'number';
      return make('ConfirmationCallback', {
        prompt,
        messageType: number(kind, 0),
        options: usual ? [] : list(options),
        optionType: usual ? options : -1,
        defaultOption: number(preset, 0),
      }, { '': 0 });
    },
    HiddenValueCallback: (id, value) => make('HiddenValueCallback', { value: text(value), id: text(id) }, { '': text(id) }),
    MetadataCallback: (data) => make('MetadataCallback', { data: data ?? {} }, {}),
    PollingWaitCallback: (time, shown) => make('PollingWaitCallback', { waitTime: text(time), message: text(shown) }, {}),
    RedirectCallback: (url, data, method, status, back) => make('RedirectCallback', {
      redirectUrl: text(url),
      redirectMethod: method === null || method === undefined ? 'GET' : text(method),
      ...(data ? { redirectData: data } : {}),
      ...(status ? { statusParameter: text(status) } : {}),
      ...(back ? { redirectBackUrlCookieName: text(back) } : {}),
      trackingCookie: false,
    }, {}),
    BooleanAttributeInputCallback: attribute('BooleanAttributeInputCallback', false),
    StringAttributeInputCallback: attribute('StringAttributeInputCallback', ''),
    NumberAttributeInputCallback: attribute('NumberAttributeInputCallback', null),
    ValidatedCreateUsernameCallback: (prompt, rules, validateOnly, failed) => make('ValidatedCreateUsernameCallback', {
      policies: policies(rules), failedPolicies: list(failed), validateOnly: flag(validateOnly), prompt: text(prompt),
    }, { '': '', validateOnly: flag(validateOnly) }),
    ValidatedCreatePasswordCallback: (prompt, echoOn, rules, validateOnly, failed) => make('ValidatedCreatePasswordCallback', {
      echoOn: flag(echoOn), policies: policies(rules), failedPolicies: list(failed), validateOnly: flag(validateOnly), prompt: text(prompt),
    }, { '': '', validateOnly: flag(validateOnly) }),
    KbaCreateCallback: (prompt, questions, own) => make('KbaCreateCallback', {
      prompt: text(prompt), predefinedQuestions: list(questions), allowUserDefinedQuestions: own === undefined ? true : flag(own),
    }, { question: '', answer: '' }),
    SelectIdPCallback: (providers) => make('SelectIdPCallback', { providers: providers ?? [], value: '' }, { '': '' }),
    IdPCallback: (provider, clientId, redirectUri, scopes, nonce, request, requestUri, acrValues, forUserInfo) => make('IdPCallback', {
      provider: text(provider),
      clientId: text(clientId),
      redirectUri: text(redirectUri),
      scopes: list(scopes),
      nonce: text(nonce),
      request: text(request),
      requestUri: text(requestUri),
      acrValues: list(acrValues),
      requestNativeAppForUserInfo: flag(forUserInfo),
    }, { token: '', token_type: '' }),
    TermsAndConditionsCallback: (version, terms, createDate) =>
      make('TermsAndConditionsCallback', { version: text(version), terms: text(terms), createDate: text(createDate) }, { '': false }),
    // Either the mapping as one object, or its parts.
    ConsentMappingCallback(...given) {
      const whole = given[0] !== null && typeof given[0] === 'object' && !kit.isText(given[0]);
      const [name, displayName, icon, accessLevel, fields, shown, required] = whole
        ? [given[0].name, given[0].displayName, given[0].icon, given[0].accessLevel, given[0].fields ?? given[0].titles, given[1], given[2]]
        : given;
      return make('ConsentMappingCallback', {
        name: text(name),
        displayName: text(displayName),
        icon: text(icon),
        accessLevel: text(accessLevel),
        isRequired: flag(required),
        message: text(shown),
        fields: list(fields),
      }, { '': false });
    },
    DeviceProfileCallback: (metadata, location, shown) =>
      make('DeviceProfileCallback', { metadata: flag(metadata), location: flag(location), message: text(shown) }, { '': '' }),
    ReCaptchaCallback: (siteKey, uri, div, third, off) => make('ReCaptchaCallback', {
      recaptchaSiteKey: text(siteKey),
      ...(uri ? { captchaApiUri: text(uri) } : {}),
      ...(div ? { captchaDivClass: text(div) } : {}),
      reCaptchaV3: flag(third),
      disableSubmission: flag(off),
    }, { '': '' }),
    HttpCallback: (authorization, negotiation, code) => make('HttpCallback',
      { authorizationHeader: text(authorization), negotiationHeader: text(negotiation), errorCode: text(code) }, { '': '' }),
    LanguageCallback: (language, country) =>
      make('LanguageCallback', { language: text(language), country: text(country) }, { language: text(language), country: text(country) }),
    X509CertificateCallback: (prompt) => make('X509CertificateCallback', { prompt: text(prompt) }, { '': '' }),
  };

  // A submitted callback: its outputs and inputs by name, inputs without the position that the wire puts before them.
  const read = (wire) => {
    const pairs = (entries, name) => Object.fromEntries((entries ?? []).map((entry) => [name(text(entry.name)), entry.value]));
    return {
      type: text(wire.type),
      output: pairs(wire.output, (name) => name),
      input: pairs(wire.input, (name) => name.replace(/^IDToken[0-9]+/, '')),
    };
  };

  // One value per answer, as next-generation scripts see them and the getters of legacy ones read them.
  const plain = (answer) => answer.input[''];
  const chosen = (answer) => number(plain(answer), 0);
  const value = {
    BooleanAttributeInputCallback: (answer) => flag(plain(answer)),
    ChoiceCallback: (answer) => [chosen(answer)],
    ConfirmationCallback: chosen,
    ConsentMappingCallback: (answer) => flag(plain(answer)),
    IdPCallback: ({ output, input }) => ({ provider: output.provider, token: input.token, tokenType: input.token_type }),
    KbaCreateCallback: ({ input }) => ({ selectedQuestion: input.question, selectedAnswer: input.answer }),
    LanguageCallback: ({ input }) => ({ language: input.language, country: input.country }),
    MetadataCallback: ({ output }) => output.data,
    NumberAttributeInputCallback: (answer) => number(plain(answer), null),
    TermsAndConditionsCallback: (answer) => flag(plain(answer)),
    TextOutputCallback: ({ output }) => output.message,
  };
  const valueOf = (answer) => (Object.hasOwn(value, answer.type) ? value[answer.type](answer) : plain(answer));

  let answers = null;
  return {
    build, read, valueOf, message: { INFORMATION: 0, WARNING: 1, ERROR: 2 }, hide,
    get answers() {
      return (answers ??= kit.told.callbacks.map(read));
    },
  };
})
