// The least a worker can do: what everything else is measured against.
export default {
  fetch() {
    return new Response(null, { status: 204 });
  },
};
