/** The way back into Dash: a script that changes a component's properties triggers its callbacks. */

/**
 * @param {string} id
 * @param {Record<string, unknown>} properties
 */
export const setProps = (id, properties) => window.dash_clientside.set_props(id, properties);
