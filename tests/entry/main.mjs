// Calls entry.mjs as the runtime does; twice in one turn where a test wants two requests to run side by side.
import worker from "./entry.mjs";

export default {
  async fetch(request, env, context) {
    // The application: says who is behind a request.
    const user = request.headers.get("remote-user");
    if (user !== null) return new Response(user);
    const { origin, pathname } = new URL(request.url);
    if (pathname !== "/two-users") return worker.fetch(request, env, context);
    const answers = await Promise.all(
      ["ada", "bob"].map((name) => worker.fetch(new Request(`${origin}/user?name=${name}`), env, context)),
    );
    return Response.json(await Promise.all(answers.map((answer) => answer.text())));
  },
};
