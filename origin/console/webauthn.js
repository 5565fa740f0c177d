// Has the browser make or use the WebAuthn credential that the page asks for, and sends the form with what came of it.
"use strict";
(() => {
  const place = document.getElementById("webauthn");
  const form = place?.closest("form");
  const slot = form?.elements.namedItem(place.dataset.answer);
  if (!slot) return;
  const asked = JSON.parse(place.dataset.options);
  const note = place.querySelector("p");
  note.textContent = "Have your security key or passkey ready.";

  const bytes = (numbers) => new Int8Array(numbers);
  const numbers = (buffer) => new Int8Array(buffer).toString();
  const text = (buffer) => new TextDecoder().decode(buffer);
  const credentials = (list) => list.map(({ id }) => ({ type: "public-key", id: bytes(id) }));
  const common = {
    challenge: Uint8Array.from(atob(asked.challenge), (letter) => letter.charCodeAt(0)),
    timeout: Number(asked.timeout),
  };

  async function create() {
    const made = await navigator.credentials.create({
      publicKey: {
        ...common,
        rp: { id: asked._relyingPartyId, name: asked.relyingPartyName },
        user: { id: new TextEncoder().encode(asked.userId), name: asked.userName, displayName: asked.displayName },
        pubKeyCredParams: asked._pubKeyCredParams,
        attestation: asked.attestationPreference,
        authenticatorSelection: asked._authenticatorSelection,
        excludeCredentials: credentials(asked._excludeCredentials),
      },
    });
    return [made, [text(made.response.clientDataJSON), numbers(made.response.attestationObject), made.id]];
  }

  async function get() {
    const used = await navigator.credentials.get({
      publicKey: {
        ...common,
        rpId: asked._relyingPartyId,
        userVerification: asked.userVerification,
        allowCredentials: credentials(asked._allowCredentials),
      },
    });
    const { clientDataJSON, authenticatorData, signature, userHandle } = used.response;
    const handle = userHandle ? text(userHandle) : "";
    return [used, [text(clientDataJSON), numbers(authenticatorData), numbers(signature), used.id, handle]];
  }

  async function outcome() {
    if (!window.PublicKeyCredential) return "unsupported";
    try {
      const [credential, parts] = await (asked._action === "webauthn_registration" ? create() : get());
      const { authenticatorAttachment } = credential;
      return JSON.stringify({ legacyData: parts.join("::"), authenticatorAttachment });
    } catch (error) {
      return `ERROR::${error.name}:${error.message}`;
    }
  }

  let busy = false;
  form.addEventListener("submit", async (event) => {
    // Buttons that have a name, such as that for recovery codes, go without the device.
    if (event.submitter?.name) return;
    event.preventDefault();
    if (busy) return;
    busy = true;
    note.textContent = "Waiting for your security key or passkey …";
    slot.value = await outcome();
    form.submit();
  });
})();
